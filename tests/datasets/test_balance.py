"""Training samples that are drawn so that each class comes equally often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.utils.class_weight import compute_sample_weight

from cnnlib import experiment
from cnnlib.assembly import make_loaders, open_data
from cnnlib.config import load_suite, parse_suite
from cnnlib.datasets.loading import balanced_weights, training_loader
from cnnlib.datasets.splits import Subset, repeated
from cnnlib.experiment import run_experiment
from cnnlib.suite import plan
from cnnlib.types import CnnlibError
from tests.tiny_suite import TINY, assert_same_weights, write_suite

FEET = {"name": "feet", "size": 16, "train": 60, "val": 6, "test": 6, "shares": [8, 3, 1], "balance": True}
LABEL = {"tasks": {"label": {}}, "dataset": FEET, "augmentations": [{"name": "flip"}]}


class Classes:
    """Samples that are nothing but a class."""

    def __init__(self, classes: Sequence[str | None]) -> None:
        self.classes = classes

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"index": index, "name": str(index)}

    def label_class(self, index: int) -> str | None:
        return self.classes[index]


def drawn(classes: Sequence[str], epoch: int, seed: int = 0, workers: int = 0) -> list[int]:
    """The indices of an epoch, in order."""
    source = Classes(classes)
    loader = training_loader(source, lambda sample: sample, 5, workers, seed, balanced_weights(source))
    loader.sampler.epoch = epoch
    return [int(index) for batch in loader for index in batch["index"]]


IMBALANCED = ["a"] * 70 + ["b"] * 25 + ["c"] * 5


@settings(max_examples=30)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40))
def test_weights_are_those_of_scikit_learn(classes: list[str]) -> None:
    weights = balanced_weights(Classes(classes))
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", classes) / len(classes))
    assert weights.sum().item() == pytest.approx(1)


def test_classes_come_equally_often_and_the_samples_of_a_class_too() -> None:
    epochs = [drawn(IMBALANCED, epoch) for epoch in range(60)]
    assert {len(epoch) for epoch in epochs} == {len(IMBALANCED)}
    counts = Counter(index for epoch in epochs for index in epoch)
    by_class = Counter(IMBALANCED[index] for index in counts.elements())
    assert chisquare([by_class[name] for name in "abc"]).pvalue > 0.001
    for start, stop in ((0, 70), (70, 95), (95, 100)):
        assert chisquare([counts[index] for index in range(start, stop)]).pvalue > 0.001
    uniform = Counter(IMBALANCED[index] for epoch in range(60) for index in range(100))
    assert chisquare([uniform[name] for name in "abc"]).pvalue < 1e-9  # the test would see it


def test_what_is_drawn_depends_on_seed_and_epoch_alone() -> None:
    once = drawn(IMBALANCED, 3)
    assert drawn(IMBALANCED, 3) == drawn(IMBALANCED, 3, workers=2) == once
    torch.manual_seed(5)
    assert drawn(IMBALANCED, 3) == once
    assert drawn(IMBALANCED, 4) != once != drawn(IMBALANCED, 3, seed=1)
    assert once != sorted(once)


def test_classes_are_told_through_folds_subsets_and_repetitions() -> None:
    for changes in ({}, {"folds": 3}, {"repeat": 2}, {"folds": 3, "repeat": 2}):
        suite = TINY | LABEL | {"dataset": FEET | changes}
        (config,) = parse_suite(suite).experiments.values()
        data = open_data(config, 0)
        loader = make_loaders(config, data, 0).train
        labels: Counter[int] = Counter()
        for epoch in range(20):
            loader.sampler.epoch = epoch
            labels.update(label for batch in loader for label in batch["label"].value.tolist())
        assert chisquare([labels[index] for index in range(3)]).pvalue > 0.001
    source = repeated(Subset(Classes("aab"), [0, 2]), 3)
    assert balanced_weights(source).tolist() == [1 / 6] * 6


@pytest.mark.parametrize("classes", [["a", None, "b"], [None, None]])
def test_samples_without_a_class_are_refused(classes: list[str | None]) -> None:
    with pytest.raises(CnnlibError, match="balance: true needs the class of every training sample"):
        balanced_weights(Classes(classes))


def test_a_data_set_without_classes_is_refused_before_anything_trains() -> None:
    suite = TINY | {
        "dataset": {"name": "phones", "size": 16, "train": 4, "balance": True},
        "tasks": {"points": {}},
    }
    (config,) = parse_suite(suite).experiments.values()
    with pytest.raises(CnnlibError, match="the data set does not give it"):
        open_data(config, 0)


def test_batches_that_are_learned_by_heart_are_not_drawn() -> None:
    suite = TINY | LABEL | {"training": TINY["training"] | {"overfit_batches": 1}}
    (config,) = parse_suite(suite).experiments.values()
    data = open_data(config, 0)
    loader = make_loaders(config, data, 0).train
    counts = Counter(name for batch in loader for name in batch["name"])
    assert len(set(counts.values())) == 1


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned(name: str) -> Any:
        training = TINY["training"] | {"epochs": 3}
        loss = {"name": "cross_entropy", "class_weights": "balanced"}
        path = write_suite(tmp_path, **LABEL | {"training": training, "tasks": {"label": {"loss": loss}}})
        (run,) = plan(load_suite(path), tmp_path / name)
        return run

    class Killed(experiment.ConsoleProgress):
        def epoch_done(self, numbers: Any) -> None:
            raise KeyboardInterrupt

    whole, broken = planned("whole"), planned("broken")
    run_experiment(whole)
    with monkeypatch.context() as patch:
        patch.setattr(experiment, "ConsoleProgress", Killed)
        with pytest.raises(KeyboardInterrupt):
            run_experiment(broken)
    run_experiment(broken)
    assert_same_weights(whole.folder, broken.folder)
