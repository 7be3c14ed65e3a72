"""The best and worst test images of a run, for every kind of task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.reporting.top_three import TopThree
from cnnlib.tasks import Task
from cnnlib.tasks.page import Page
from cnnlib.tasks.saved import build_tasks
from cnnlib.types import Predicted, PredictionSink, Target
from tests.reporting.fake_suite import TARGETS, scene

SIZE = 16
INPUTS = {"bg": 3, "fg_bg": 3}


def predicted(task: Task, key: str, index: int, wrong: float, known: bool = True) -> Predicted:
    """The truth of a scene, mixed with that of another."""
    own, other = (task.as_prediction(scene(each, SIZE)[key].value) for each in (index, index + 50))
    value, valid = scene(index, SIZE)[key]
    targets = {key: Target(value, valid)} if known else {}
    return Predicted(
        f"image-{index:02}", scene(index, SIZE)["image"], {key: (1 - wrong) * own + wrong * other}, targets
    )


def tasks_of(key: str) -> dict[str, Task]:
    return build_tasks({key: {"name": key}}, TARGETS)


def ranked(task: Task, key: str, samples: list[Predicted]) -> list[str]:
    """Names, the best first, by the metric over all samples at once."""
    metric = task.metric()
    for sample in samples:
        value, valid = sample.targets[key]
        metric.update(sample.predictions[key][None], value[None], valid[None], (SIZE, SIZE))
    scores = metric.per_image()
    main = scores[task.main_metric] * (-1 if task.higher_is_better else 1)
    finer = scores[task.finer_metric] if task.finer_metric else torch.zeros(len(samples))
    names = [sample.name for sample in samples]
    order = sorted(zip(main.tolist(), finer.tolist(), names, strict=True))
    return [name for *_, name in order]


@pytest.mark.parametrize("key", TARGETS)
def test_they_are_those_with_the_best_and_worst_metric(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order they come in; name and score stand over the pictures."""
    written: list[str] = []
    monkeypatch.setattr(Page, "text", lambda page, text, *_: written.append(text))
    tasks = tasks_of(key)
    sink = TopThree(tmp_path, tasks, INPUTS)
    assert isinstance(sink, PredictionSink)
    samples = [predicted(tasks[key], key, index, 0.09 * (index * 7 % 11)) for index in range(10)]
    for sample in samples:
        sink.write(sample)
    sink.write(predicted(tasks[key], key, 10, 1.0, known=False))
    sink.close()
    order = ranked(tasks[key], key, samples)
    told = [line.split(": ")[0] for line in written if line[:2] in ("1.", "2.", "3.")]
    names = [*order[:3], *order[::-1][:3]]
    assert told == [f"{place}. {name}" for place, name in zip((1, 2, 3) * 2, names, strict=True)]
    assert f"{key}: the 3 best of 10 images by {tasks[key].main_metric}" in written
    best = samples[[sample.name for sample in samples].index(order[0])]
    metric = tasks[key].metric()
    metric.update(best.predictions[key][None], *(each[None] for each in best.targets[key]), (SIZE, SIZE))
    score = float(metric.per_image()[tasks[key].main_metric][0])
    assert any(line.startswith(f"1. {best.name}: {tasks[key].main_metric} {score:.4f}") for line in written)


@pytest.mark.parametrize("key", ["box", "semantic"])
def test_truth_prediction_and_error_are_drawn_as_the_task_draws_them(key: str, tmp_path: Path) -> None:
    tasks = tasks_of(key)
    sink = TopThree(tmp_path, tasks, INPUTS)
    samples = [predicted(tasks[key], key, index, 0.1 * index) for index in range(6)]
    for sample in samples:
        sink.write(sample)
    sink.close()
    (worst,) = [sample for sample in samples if sample.name == ranked(tasks[key], key, samples)[-1]]
    drawn = tasks[key].draw_error(worst.predictions[key], worst.targets[key], worst.image[3:])
    tile = np.array(
        Image.fromarray(drawn.permute(1, 2, 0).numpy()).resize((256, 256), Image.Resampling.NEAREST)
    )
    page = np.array(Image.open(tmp_path / f"top3_worst_{key}.png"))
    first_row = page[:420, 24 + 3 * 268 : 24 + 3 * 268 + 256]
    found = [top for top in range(len(first_row) - 255) if np.array_equal(first_row[top : top + 256], tile)]
    assert len(found) == 1


def test_few_samples_and_odd_names(tmp_path: Path) -> None:
    """Two samples stand in both pictures; a task that nothing is known of has none."""
    tasks = build_tasks({"box": {"name": "box"}, "mask": {"name": "mask"}}, TARGETS)
    sink = TopThree(tmp_path, tasks, INPUTS)
    for index in range(2):
        sink.write(predicted(tasks["box"], "box", index, 0.2))
    sink.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["top3_best_box.png", "top3_worst_box.png"]
    assert len(sink._ends["box"].kept) == 2


def test_no_more_than_six_samples_are_held(tmp_path: Path) -> None:
    tasks = tasks_of("box")
    sink = TopThree(tmp_path, tasks, INPUTS)
    for index in range(20):
        sink.write(predicted(tasks["box"], "box", index, 0.04 * index))
        assert len(sink._ends["box"].kept) <= 6
    assert len(sink._ends["box"].order) == 20
