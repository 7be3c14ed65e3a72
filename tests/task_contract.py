"""What every kind of task promises; each function takes a task and checks one promise.

Targets are made without knowing the kind: they are random predictions, saved and read again.
"""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from cnnlib.augmentations.similarity import Similarity
from cnnlib.files import json_text
from cnnlib.losses import LOSSES
from cnnlib.tasks import Task
from cnnlib.tasks.class_counts import counts_from_json, counts_to_json
from cnnlib.types import Size, Target

SIZE = (12, 16)
VALIDITY = ("all", "some", "none")


def raw_outputs(task: Task, batch: int, seed: int = 0, size: Size = SIZE, scale: float = 2.0) -> Tensor:
    shape = (batch, task.head.channels, *(size if task.head.shape == "map" else ()))
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def random_targets(task: Task, batch: int, validity: str = "all", seed: int = 1) -> Target:
    """Of a batch."""
    valid = task.missing(SIZE).valid
    predictions = task.decode(raw_outputs(task, batch, seed, scale=0.15), SIZE)
    generator = torch.Generator().manual_seed(seed)
    share = {"all": 1.0, "some": 0.6, "none": 0.0}[validity]
    read = [task.load(_through_a_file(task.store(each))) for each in predictions]  # a mask's are then 0 or 1
    values = torch.stack(list(map(task.as_value, read)))
    return Target(values, torch.rand(batch, *valid.shape, generator=generator) < share)


def measure(task: Task, predictions: Tensor, target: Target, batch: int | None = None) -> Mapping[str, float]:
    metric = task.metric()
    for part in zip(*(each.split(batch or len(predictions)) for each in (predictions, *target)), strict=True):
        metric.update(*part, SIZE)
    return metric.compute()


def truth(task: Task, target: Target) -> Tensor:
    """The predictions of a batch that would be right."""
    return torch.stack([task.as_prediction(value) for value in target.value])


def same(one: Tensor, other: Tensor, tolerance: float = 1e-5) -> None:
    torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance, equal_nan=True)


def says_what_it_is(task: Task) -> None:
    assert task.values
    assert task.default_loss in LOSSES
    assert LOSSES[task.default_loss].compares(task)
    assert "truth" not in task.legend  # new images have none; how it is drawn stands in error_legend
    for text in (task.kind, task.legend, task.error_legend, task.file_note):
        assert text
        assert text == text.strip()
    assert task.head.shape in ("map", "vector")
    assert copy.deepcopy(task).values == pickle.loads(pickle.dumps(task)).values == task.values


def decodes_batches_of_any_size_in_float32(task: Task) -> None:
    raw = raw_outputs(task, 4)
    together = task.decode(raw, SIZE)
    assert len(together) == 4
    same(together, torch.cat([task.decode(each[None], SIZE) for each in raw]))
    half = task.decode(raw.bfloat16(), SIZE)
    assert together.dtype == half.dtype == torch.float32
    same(half, task.decode(raw.bfloat16().float(), SIZE))


def decodes_with_finite_gradients_even_at_zero(task: Task) -> None:
    for raw in (torch.zeros_like(raw_outputs(task, 2)), 100 * raw_outputs(task, 2)):
        raw.requires_grad_()
        decoded = task.decode(raw, SIZE)
        decoded[decoded.isfinite()].sum().backward()
        assert raw.grad.isfinite().all()


def takes_its_own_targets(task: Task) -> None:
    missing = task.missing(SIZE)
    assert missing.valid.dtype == torch.bool
    assert not missing.valid.any()
    assert task.check(missing, SIZE) is not None
    for target in map(Target, *random_targets(task, 3)):
        checked = task.check(Target(target.value), SIZE)
        assert checked.valid.all()
        assert checked.valid.shape == missing.valid.shape
        task.check_values(task.valid_values(Target(checked.value, torch.zeros_like(checked.valid))))
    assert len(task.valid_values(missing)) == 0


def gives_losses_what_fits_together(task: Task) -> None:
    raw, target = raw_outputs(task, 3), random_targets(task, 3, "some")
    for values in task.values:
        pred, wanted, valid = task.loss_inputs(values, raw, target, SIZE)
        assert valid.dtype == torch.bool
        assert valid.broadcast_to(wanted.shape).shape == wanted.shape
        shape = pred.shape[:1] + pred.shape[2:] if values == "classes" else pred.shape
        assert wanted.shape == shape
        assert pred.isfinite().all()


def finds_its_truth_perfect(task: Task) -> None:
    for validity in ("all", "some"):
        target = random_targets(task, 5, validity)
        metrics = measure(task, truth(task, target), target)
        assert math.isclose(task.score(metrics), 1.0, abs_tol=1e-3)
        wrong = measure(task, task.decode(raw_outputs(task, 5, seed=9), SIZE), target)
        assert task.score(wrong) < task.score(metrics)
        assert (wrong[task.main_metric] > metrics[task.main_metric]) != task.higher_is_better


def measures_whatever_the_batches(task: Task) -> None:
    predictions, target = task.decode(raw_outputs(task, 6), SIZE), random_targets(task, 6, "some")
    whole = measure(task, predictions, target)
    assert list(whole) == list(task.metric().explanations)
    for batch in (1, 4):
        pieces = measure(task, predictions, target, batch)
        np.testing.assert_allclose(list(pieces.values()), list(whole.values()), rtol=1e-9)


def measures_each_image_on_its_own(task: Task) -> None:
    predictions, target = task.decode(raw_outputs(task, 4), SIZE), random_targets(task, 4, "some")
    metric = task.metric()
    metric.update(predictions, *target, SIZE)
    per_image = metric.per_image()
    assert {task.main_metric, task.finer_metric or task.main_metric} <= set(per_image)
    assert set(per_image) <= set(metric.explanations)
    for index in range(4):
        alone = measure(
            task, predictions[index : index + 1], Target(*(each[index : index + 1] for each in target))
        )
        for name, values in per_image.items():
            np.testing.assert_allclose(values[index], alone[name], rtol=1e-6, atol=0.005)
    assert all(values.dtype == torch.float64 and values.shape == (4,) for values in per_image.values())


def counts_its_classes(task: Task) -> None:
    """A task with classes counts each valid target once, and a file gives the counts back."""
    predictions, target = task.decode(raw_outputs(task, 4), SIZE), random_targets(task, 4, "some")
    metric = task.metric()
    metric.update(predictions, *target, SIZE)
    counts = task.class_counts(metric)
    if counts is None:
        return
    assert counts.names == task.info.names
    if counts.pairs:
        assert sum(counts.truth) == sum(map(sum, counts.pairs)) == target.valid.sum()
    assert all(counts.score(name).shape == (len(counts.names),) for name in counts.scores)
    stored = json.loads(json_text(counts_to_json({"task": counts})))
    assert counts_from_json(stored, "a file") == {"task": counts}


def leaves_out_what_is_not_valid(task: Task) -> None:
    predictions, target = task.decode(raw_outputs(task, 4), SIZE), random_targets(task, 4, "some")
    rubbish = torch.nan if target.value.dtype.is_floating_point else 255
    valid = torch.stack(
        [task.expand_valid(each, value) for each, value in zip(target.valid, target.value, strict=True)]
    )
    spoiled = Target(target.value.masked_fill(~valid, rubbish), target.valid)
    assert measure(task, predictions, spoiled) == measure(task, predictions, target)
    for loss in _losses(task, raw_outputs(task, 4), spoiled):
        assert loss.isfinite()


def is_undefined_where_nothing_is_valid(task: Task) -> None:
    raw, target = raw_outputs(task, 3).requires_grad_(), random_targets(task, 3, "none")
    metrics = measure(task, task.decode(raw.detach(), SIZE), target)
    assert all(math.isnan(value) for value in metrics.values())
    assert math.isnan(task.score(metrics))
    for loss in _losses(task, raw, target):
        assert loss == 0
        (gradient,) = torch.autograd.grad(loss, raw)
        assert (gradient == 0).all()


def _losses(task: Task, raw: Tensor, target: Target) -> list[Tensor]:
    """What every loss of the library that fits the task gives."""
    found = []
    for name, loss_class in LOSSES.items():
        for values in loss_class.compares(task):
            loss, extra = loss_class(), {}
            loss.prepare(map(task.valid_values, map(Target, *random_targets(task, 4))))
            if loss.needs_image:
                extra = {"image": torch.rand(len(raw), 3, *SIZE)}
            found.append(loss(*task.loss_inputs(values, raw, target, SIZE), **extra))
            assert found[-1].ndim == 0, name
    return found


def reads_what_it_stores(task: Task) -> None:
    for prediction in task.decode(raw_outputs(task, 3), SIZE):
        stored = task.store(prediction)
        loaded = task.load(_through_a_file(stored))
        assert loaded.shape == prediction.shape
        assert loaded.dtype == torch.float32
        again = task.store(loaded)
        if isinstance(stored, dict):
            assert again == stored
        else:
            assert stored.dtype in (np.uint8, np.uint16)
            assert stored.shape in (SIZE, (*SIZE, 3))
            assert np.abs(again.astype(int) - stored).max() <= 1
        assert task.store(prediction, task.missing(SIZE).valid) is not None


def _through_a_file(stored: np.ndarray | dict) -> np.ndarray | dict:
    """A row comes back as text."""
    if isinstance(stored, dict):
        return {name: "" if value is None else str(value) for name, value in stored.items()}
    return stored


def describes_a_target_in_numbers_and_texts(task: Task) -> None:
    """The same columns whatever is known, and finite numbers where all is."""
    described = [
        task.describe(Target(value, valid))
        for validity in VALIDITY
        for value, valid in zip(*random_targets(task, 2, validity), strict=True)
    ]
    assert described[0]
    for each in described:
        assert each.keys() == described[0].keys()
        assert not any("/" in what for what in each)
        assert all(isinstance(value, float | str) for value in each.values())
    assert all(isinstance(value, str) or math.isfinite(value) for value in described[0].values())


def draws_whatever_is_known(task: Task) -> None:
    image = torch.rand(3, *SIZE)
    prediction = task.decode(raw_outputs(task, 1), SIZE)[0]
    for validity in VALIDITY:
        target = Target(*(each[0] for each in random_targets(task, 1, validity)))
        for shown in (prediction, torch.full_like(prediction, torch.nan), task.as_prediction(target.value)):
            pictures = (
                task.draw(shown, image),
                task.draw(shown, image, target.valid),
                task.draw_error(shown, target, image),
            )
            for picture in pictures:
                assert picture.dtype == torch.uint8
                assert picture.ndim == 3
                assert picture.shape[0] == 3
                assert picture.shape[1] * SIZE[1] == picture.shape[2] * SIZE[0]


def draws_an_error_unlike_a_success(task: Task) -> None:
    """Of ten random predictions hardly all are right."""
    image, target = torch.rand(3, *SIZE), Target(*(each[0] for each in random_targets(task, 1)))
    right, others = task.as_prediction(target.value), task.decode(raw_outputs(task, 10, scale=0.5), SIZE)
    assert not all(torch.equal(task.draw(other, image), task.draw(right, image)) for other in others)
    success = task.draw_error(right, target, image)
    assert not all(torch.equal(task.draw_error(other, target, image), success) for other in others)


def moves_with_the_view(task: Task) -> None:
    target = Target(*(each[0] for each in random_targets(task, 1)))
    still = task.move(target, Similarity().view(SIZE))
    mirror = Similarity(mirrored=True).view(SIZE)
    for moved in (still, task.move(task.move(target, mirror), mirror)):
        same(moved.value, target.value)
        assert torch.equal(moved.valid, task.check(target, SIZE).valid)
    turned = task.move(target, Similarity(angle=30, zoom=1.3, shift=(2.0, -1.0)).view(SIZE))
    assert (turned.value.shape, turned.value.dtype) == (target.value.shape, target.value.dtype)
    assert (turned.valid.shape, turned.valid.dtype) == (target.valid.shape, target.valid.dtype)
    assert not task.move(task.missing(SIZE), mirror).valid.any()


def knows_its_places_in_the_picture(task: Task) -> None:
    """Those of the moved target, as far as it is valid: moving it first, or with the places, is the same."""
    for validity in VALIDITY:
        target = Target(*(each[0] for each in random_targets(task, 1, validity)))
        view = Similarity(angle=90, zoom=0.5).view(SIZE)  # keeps boxes upright and inside
        places = task.places(target, view)
        assert places.dtype == torch.float32
        assert places.shape[1:] == (2,)
        same(places, task.places(task.move(target, view), Similarity().view(SIZE)))
        assert ((places >= 0) & (places <= torch.tensor([SIZE[1], SIZE[0]]))).all()
        assert len(places) == 0 or target.valid.any()


def resizes_and_comes_back(task: Task) -> None:
    prediction = task.decode(raw_outputs(task, 1), SIZE)[0]
    same(task.resize(prediction, SIZE, SIZE), prediction)
    larger = (3 * SIZE[0], 3 * SIZE[1])
    resized = task.resize(prediction, SIZE, larger)
    assert resized.dtype == torch.float32
    model = task.decode(raw_outputs(task, 1, size=larger), larger)[0]
    assert resized.shape == model.shape


def knows_the_constant_of_one_target(task: Task) -> None:
    for validity in ("all", "some"):
        target = Target(*(each[0] for each in random_targets(task, 1, validity)))
        constant, expected = task.constant([target]), task.as_prediction(target.value)
        valid = task.expand_valid(target.valid, expected)
        assert constant.shape == expected.shape
        assert constant.isfinite().all()
        same(constant[valid], expected[valid])


def has_one_constant_whatever_the_order(task: Task) -> None:
    """And however often the same samples are seen; what is not valid does not matter."""
    samples = list(map(Target, *random_targets(task, 5, "some")))
    constant = task.constant(samples)
    same(task.constant(samples[::-1] * 2 + [task.missing(SIZE)]), constant)
    assert not all(torch.equal(constant, task.constant([sample])) for sample in samples)


def has_a_constant_where_nothing_is_valid(task: Task) -> None:
    constant = task.constant([task.missing(SIZE)] * 2)
    assert constant.shape == task.as_prediction(task.missing(SIZE).value).shape
    assert constant.isfinite().all()


TASK_CONTRACT: tuple[Callable[[Task], None], ...] = (
    says_what_it_is,
    decodes_batches_of_any_size_in_float32,
    decodes_with_finite_gradients_even_at_zero,
    takes_its_own_targets,
    gives_losses_what_fits_together,
    finds_its_truth_perfect,
    measures_whatever_the_batches,
    measures_each_image_on_its_own,
    counts_its_classes,
    leaves_out_what_is_not_valid,
    is_undefined_where_nothing_is_valid,
    reads_what_it_stores,
    describes_a_target_in_numbers_and_texts,
    draws_whatever_is_known,
    draws_an_error_unlike_a_success,
    moves_with_the_view,
    knows_its_places_in_the_picture,
    resizes_and_comes_back,
    knows_the_constant_of_one_target,
    has_one_constant_whatever_the_order,
    has_a_constant_where_nothing_is_valid,
)
