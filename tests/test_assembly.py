"""From a configuration to data: what of them the tasks are shown, and what cannot be trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch

from cnnlib.assembly import (
    ExperimentData,
    check_targets,
    make_loaders,
    measure_constant_predictor,
    open_data,
)
from cnnlib.config import parse_suite
from cnnlib.datasets import Scenes
from cnnlib.tasks import TASKS
from cnnlib.types import CnnlibError, Sample, SampleSource, Split, Target
from tests.tiny_suite import TINY

Change = Callable[[int, Sample], Sample]


@dataclass
class Changed:
    source: SampleSource
    change: Change

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.change(index, self.source[index])

    def labels(self, index: int) -> list[str]:
        return [key for key in Scenes.targets if key in self[index]]


class ChangedScenes(Scenes):
    """Scenes in which a function changes the samples of one split."""

    def __init__(self, change: Change, part: Split = "train") -> None:
        super().__init__(size=16, train=40, val=3, test=3)
        self.change, self.part = change, part

    def split(self, part: Split) -> SampleSource:
        source = super().split(part)
        return Changed(source, self.change) if part == self.part else source


def without(*names: str) -> Callable[[Sample], Sample]:
    return lambda sample: {key: value for key, value in sample.items() if key not in names}


def opened(source: Scenes, **tasks: dict[str, Any]) -> ExperimentData:
    (config,) = parse_suite({**TINY, "tasks": tasks}).experiments.values()
    return open_data(config, 0, source)


def test_the_constant_predictor_does_not_depend_on_what_is_trained() -> None:
    """Each task's is that of the samples with its label, whatever else they have."""
    data = ChangedScenes(lambda i, sample: without("mask" if i % 2 else "depth")(sample))
    both, mask, depth = (
        measure_constant_predictor(opened(data, mask={"weight": one}, depth={"weight": other}))
        for one, other in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))
    )
    assert both == mask == depth
    assert both["depth/mae"] > 0


def test_targets_are_checked_however_rare_they_are() -> None:
    data = ChangedScenes(lambda i, sample: sample if i == 17 else without("depth")(sample))
    opening = {"mask": {}, "depth": {"max_depth": 0.2}}
    with pytest.raises(CnnlibError, match=r"tasks\.depth: .* of the depth targets cannot be predicted"):
        check_targets(opened(data, **opening), 4)


@pytest.mark.parametrize("task", TASKS)
def test_targets_that_are_valid_nowhere_are_refused(task: str) -> None:
    """They would train on nothing, with a loss of 0; one that is valid is enough, wherever it is."""

    def hide(index: int, sample: Sample, shown: int = -1) -> Sample:
        missing = TASKS[task](info=Scenes.targets[task]).missing((16, 16))
        return sample if index == shown else {**sample, task: Target(sample[task].value, missing.valid)}

    with pytest.raises(CnnlibError, match=rf"tasks\.{task}: no training sample has a valid target"):
        check_targets(opened(ChangedScenes(hide), **{task: {}}), 4)
    check_targets(opened(ChangedScenes(partial(hide, shown=17)), **{task: {}}), 4)


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_split_without_any_label_is_refused(part: Split) -> None:
    """Otherwise the first epoch would be called the best, or nothing would be measured."""
    data = ChangedScenes(lambda _, sample: without("mask")(sample), part)
    message = rf"no sample of its {part} split has a label for mask; move labelled samples"
    with pytest.raises(CnnlibError, match=message):
        opened(data, mask={}, depth={"weight": 0.0})
    assert len(opened(data, mask={}, depth={}).train) == 40


@pytest.mark.parametrize("task", ["semantic", "label"])
def test_a_class_that_does_not_exist_is_named_with_its_sample(task: str) -> None:
    def spoil(index: int, sample: Sample) -> Sample:
        return {**sample, task: Target(torch.full_like(sample[task].value, 77))} if index == 23 else sample

    data = opened(ChangedScenes(spoil), **{task: {}})
    message = rf"tasks.{task}: sample 'train-00023': '{task}': classes are indices from 0 to"
    with pytest.raises(CnnlibError, match=message):
        measure_constant_predictor(data)


def test_a_target_of_another_kind_is_refused() -> None:
    """A mask task would take depths for a mask, for they have one shape."""
    source = ChangedScenes(lambda _, sample: sample)
    source.targets = {**Scenes.targets, "mask": Scenes.targets["depth"]}
    with pytest.raises(
        CnnlibError, match=r"tasks\.mask: the data's target is for a depth task, not for a mask"
    ):
        opened(source, mask={})


@pytest.mark.parametrize("name", ["image", "image_uint8", "name", "group"])
def test_a_target_is_not_called_as_other_parts_of_a_sample_are(name: str) -> None:
    source = Scenes(size=16, train=2, val=1, test=1)
    source.targets = {**Scenes.targets, name: Scenes.targets["mask"]}
    with pytest.raises(CnnlibError, match=f"a target cannot be called '{name}'"):
        opened(source, mask={})


def test_training_samples_may_be_repeated() -> None:
    suite = TINY | {"dataset": TINY["dataset"] | {"repeat": 3}}
    (config,) = parse_suite(suite).experiments.values()
    data = open_data(config, 0)
    assert (len(data.all_train), len(data.train), len(data.val)) == (16, 48, 4)
    names = [data.train[index]["name"] for index in range(48)]
    assert names[:16] * 3 == names
    loader = make_loaders(config, data, 0).train
    loader.sampler.epoch = 1
    images = {name: [] for name in names}
    for batch in loader:
        for name, image in zip(batch["name"], batch["image"], strict=True):
            images[name].append(image)
    assert all(len(same) == 3 for same in images.values())
    assert not any(torch.equal(*same[:2]) for same in images.values())  # augmented anew


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # more than this machine has
@pytest.mark.parametrize(
    ("milliseconds", "cores", "expected"),
    [(0.5, 16, 0), (5, 1, 0), (5, 2, 1), (5, 6, 5), (5, 64, 8)],
)
def test_how_many_workers_auto_takes(
    milliseconds: float, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that each sample moves on, the first one more; the samples stay the same."""
    now = [0.0]

    def slow(index: int, sample: Sample) -> Sample:
        now[0] += milliseconds / 1000 * (100 if now[0] == 0 else 1)
        return sample

    monkeypatch.setattr("cnnlib.assembly.loader_workers.time.perf_counter", lambda: now[0])
    monkeypatch.setattr("cnnlib.assembly.data.usable_cores", lambda: cores)
    source = Scenes(size=16, train=12, val=2, test=2)
    names = []
    for workers in ("auto", 0):
        config = parse_suite(TINY | {"training": {"epochs": 1, "workers": workers}}).experiments["tiny"]
        data = open_data(config, 0, source)
        loaders = make_loaders(config, replace(data, train=Changed(data.train, slow)), seed=3)
        if workers == "auto":
            assert {loader.num_workers for loader in loaders} == {expected}
        names.append(list(loaders.train.sampler))
    assert names[0] == names[1]
