"""What every loss promises: ``CHECKS``, each to be run on every ``LossCase`` of every loss in the table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import cnnlib.losses
from cnnlib.losses import LOSSES, Loss

_CERTAIN = 30.0  # logits of a prediction without a doubt


@dataclass(frozen=True)
class Examples:
    """Targets and predictions of one kind of values, in one shape.

    Args:
        shape: of the targets of a batch, from (B, H, W).
        target: from noise in [0, 1) of that shape.
        pred: a poor prediction without a tie anywhere, from the target and normally distributed noise of its shape.
        truth: the best prediction for a target, sure of itself.
        mistake: a bad prediction, from the truth; losses rise on the straight way there.
        batch: its usual size.
        shared: the axes that the elements of one valid entry share.
        flat: a target may be 0 or 1 everywhere.
    """

    shape: Callable[[int, int, int], tuple[int, ...]]
    target: Callable[[Tensor], Tensor]
    pred: Callable[[Tensor, Tensor], Tensor]
    truth: Callable[[Tensor], Tensor] = Tensor.clone
    mistake: Callable[[Tensor], Tensor] | None = None
    batch: int = 2
    shared: tuple[int, ...] = (1,)
    flat: bool = True

    @property
    def is_map(self) -> bool:
        return len(self.shape(1, 1, 1)) == 4


def _map(batch: int, height: int, width: int) -> tuple[int, ...]:
    return (batch, 1, height, width)


def _vector(batch: int, height: int, width: int) -> tuple[int, ...]:
    return (batch, 6)


def _one_hot(target: Tensor) -> Tensor:
    return _CERTAIN * F.one_hot(target.long(), 4).movedim(-1, 1).float()


def _class_noise(target: Tensor, noise: Tensor) -> Tensor:
    return torch.stack([(noise * scale).sin() for scale in (3, 5, 7, 11)], dim=1)


def _boxes(noise: Tensor) -> Tensor:
    corner = 0.5 * noise[..., :2]
    return torch.cat([corner, corner + 0.1 + 0.4 * noise[..., 2:]], dim=-1)


_LOGITS = Examples(
    _map,
    lambda noise: (noise > 0.6).float(),
    lambda _, noise: noise.clone(),
    lambda target: _CERTAIN * (2 * target - 1),
    lambda truth: -0.9 * truth,
)
_CLASSES = Examples(
    lambda batch, *_: (batch,),
    lambda noise: (noise * 4).long(),
    _class_noise,
    _one_hot,
    lambda truth: truth.roll(1, dims=1),
    batch=12,
    shared=(),
)
_PROBABILITIES = replace(
    _LOGITS, pred=lambda _, noise: noise.sigmoid(), truth=Tensor.clone, mistake=lambda truth: 1 - truth
)

EXAMPLES: Mapping[str, tuple[Examples, ...]] = {
    "logits": (_LOGITS, replace(_LOGITS, shape=_vector, batch=6, shared=())),
    "classes": (_CLASSES, replace(_CLASSES, shape=lambda *size: size, batch=2)),
    "probabilities": (_PROBABILITIES, replace(_PROBABILITIES, shape=_vector, batch=6, shared=())),
    "lengths": (
        Examples(
            _map,
            lambda noise: 1 + 4 * noise + torch.linspace(0, 2, noise.shape[-1]),
            lambda _, noise: 2 + 4 * noise.sigmoid(),
        ),
    ),
    "directions": (
        Examples(
            lambda batch, *size: (batch, 3, *size),
            lambda noise: F.normalize(noise - 0.5, dim=1),
            lambda _, noise: noise.clone(),
            mistake=lambda truth: -0.9 * truth,  # the exact opposite would lead through the zero vector
            flat=False,
        ),
    ),
    "coordinates": (
        Examples(
            lambda batch, *_: (batch, 5, 2),
            lambda noise: noise.clone(),
            lambda target, noise: target + 0.1 * noise,
            batch=4,
            shared=(2,),
        ),
    ),
    "boxes": (
        Examples(
            lambda batch, *_: (batch, 4),
            _boxes,
            lambda target, noise: _boxes(noise.sigmoid()),
            mistake=lambda truth: truth + 0.6,
            batch=12,
            flat=False,
        ),
    ),
    "heatmaps": (
        Examples(
            lambda batch, *size: (batch, 3, *size),
            lambda noise: torch.exp(-8 * noise),
            lambda _, noise: noise.sigmoid(),
            shared=(),
        ),
    ),
    "numbers": (
        Examples(_vector, lambda noise: 3 * noise, lambda _, noise: noise.clone(), batch=6, shared=()),
    ),
}


@dataclass(frozen=True)
class LossCase:
    """One loss with options, and what holds for it beyond the common contract.

    Args:
        name: its name in ``LOSSES``.
        options: of its constructor.
        symmetric: prediction and target may change places; ``None`` where that depends on the values.
        best: the prediction at which it is least, made from the target, where that is not the truth.
        zero: how far from 0 the loss may be at its best.
        gradcheck: a numeric derivative sees all that the loss depends on.
        cropped: a valid rectangle equals the crop.
        values, examples: filled in by ``cases``, once for all that the loss compares.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    symmetric: bool | None = False
    best: Callable[[Tensor], Tensor] | None = None
    zero: float = 1e-6
    gradcheck: bool = True
    cropped: bool = True
    values: str = ""
    examples: Examples = _LOGITS

    def __str__(self) -> str:
        rank = len(self.examples.shape(1, 1, 1))
        options = "-".join(f"{key}={value}" for key, value in self.options.items())
        return "-".join(part for part in (self.name, self.values, f"rank{rank}", options) if part)

    @property
    def loss(self) -> type[Loss]:
        return LOSSES[self.name]

    def __call__(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return self.loss(**self.options)(pred, target, valid, **self.extra(pred))

    def extra(self, pred: Tensor) -> dict[str, Tensor]:
        """The image, for losses that look at it."""
        if not self.loss.needs_image:
            return {}
        image = torch.rand(pred.shape[0], 6, 64, 64, generator=_generator(3))  # the same, whatever the crop
        return {"image": image[..., 64 - pred.shape[2] :, 64 - pred.shape[3] :]}

    def target(self, batch: int | None = None, height: int = 16, width: int = 16) -> Tensor:
        shape = self.examples.shape(batch or self.examples.batch, height, width)
        return self.examples.target(torch.rand(shape, generator=_generator(1)))

    def pred(self, target: Tensor) -> Tensor:
        return self.examples.pred(target, torch.randn(target.shape, generator=_generator(2)))

    def truth(self, target: Tensor) -> Tensor:
        return (self.best or self.examples.truth)(target)

    def mistake(self, target: Tensor) -> Tensor:
        mistake = self.examples.mistake
        return mistake(self.truth(target)) if mistake and not self.best else self.pred(target)

    def valid(self, target: Tensor) -> Tensor:
        """A third of the entries, at random, are not valid; 1 along the axes that elements of one entry share."""
        shape = [1 if axis in self.examples.shared else size for axis, size in enumerate(target.shape)]
        return torch.rand(shape, generator=_generator(4)) > 1 / 3


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cases(own: tuple[LossCase, ...]) -> Iterator[LossCase]:
    """Every loss in the table: its first case in ``own``, or one with no options, on all kinds of values that it
    compares; its other cases on one of them."""
    for name, loss in LOSSES.items():
        for i, case in enumerate([case for case in own if case.name == name] or [LossCase(name)]):
            for values in sorted(loss.values)[-1 if i else 0 :]:
                for examples in EXAMPLES[values]:
                    if examples.is_map or not loss.needs_map:
                        yield replace(case, values=values, examples=examples)


def gradient(case: LossCase, pred: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    pred = pred.clone().requires_grad_()
    (result,) = torch.autograd.grad(case(pred, target, valid), pred)
    return result


def outside(pred: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Where a prediction does not count, in its shape."""
    full = valid.expand(target.shape)
    return ~(full if pred.shape == target.shape else full.unsqueeze(1).expand(pred.shape))


def check_scalar(case: LossCase) -> None:
    target = case.target()
    pred = case.pred(target).requires_grad_()
    loss = case(pred, target)
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert loss.requires_grad
    assert loss > 0


def check_zero_at_best(case: LossCase) -> None:
    target = case.target()
    assert 0 <= case(case.truth(target), target) <= case.zero
    assert gradient(case, case.truth(target), target, None).isfinite().all()


def check_rises_with_the_mistake(case: LossCase) -> None:
    target = case.target(height=24, width=24)
    truth, mistake = case.truth(target), case.mistake(target)
    losses = [case(torch.lerp(truth, mistake, way), target) for way in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    rises = torch.stack(losses).diff()
    assert (rises >= -1e-6).all(), losses
    assert losses[-1] > losses[0] + 1e-3
    assert min(losses) >= 0


def check_symmetry(case: LossCase) -> None:
    target = case.target()
    pred = target.maximum(target.flip(-1)) if case.values == "probabilities" else case.pred(target)
    there, back = case(pred, target), case(target, pred)
    assert torch.isclose(there, back) == case.symmetric, (there, back)


def check_gradient(case: LossCase) -> None:
    target = case.target(height=5, width=6)
    pred = case.pred(target).double().requires_grad_()
    valid = case.valid(target)
    target = target.double() if target.is_floating_point() else target
    assert case(pred, target).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda pred: case(pred, target, valid), pred)


def check_twin(case: LossCase) -> None:
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    function = getattr(cnnlib.losses, f"{case.name}_loss")
    as_function = function(pred, target, valid, **case.options, **case.extra(pred))
    assert torch.equal(as_function, case(pred, target, valid))
    assert function.__doc__
    of_function = dict(list(inspect.signature(function).parameters.items())[3:])
    of_function.pop("image", None)
    of_module = inspect.signature(case.loss).parameters
    assert of_function.keys() == of_module.keys()
    for name, option in of_module.items():
        assert of_function[name].default in (option.default, inspect.Parameter.empty)


def check_all_valid_is_no_mask(case: LossCase) -> None:
    target = case.target()
    pred = case.pred(target)
    everything = torch.ones_like(target, dtype=torch.bool)
    torch.testing.assert_close(case(pred, target, everything), case(pred, target))


def check_valid_is_broadcast(case: LossCase) -> None:
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    assert torch.equal(case(pred, target, valid), case(pred, target, valid.expand(target.shape)))


def check_what_is_not_valid_does_not_matter(case: LossCase) -> None:
    """Whatever stands there, NaN included: the same value, the same gradient, and none at those elements."""
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    loss, slope = case(pred, target, valid), gradient(case, pred, target, valid)
    ignored = outside(pred, target, valid)
    assert slope.isfinite().all()
    assert (slope[ignored] == 0).all()
    assert (slope[~ignored] != 0).any()
    for value in (0.0, 255.0, torch.nan, torch.inf):
        other_target = torch.where(valid, target, value if target.is_floating_point() else 255)
        other_pred = torch.where(ignored, value, pred)
        assert torch.equal(case(other_pred, other_target, valid), loss)
        assert torch.equal(gradient(case, other_pred, other_target, valid), slope)


def check_what_is_valid_does_matter(case: LossCase) -> None:
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    assert not torch.isclose(case(pred, target, valid), case(pred, target))


def check_valid_rectangle_is_a_crop(case: LossCase) -> None:
    target = case.target(2, 64, 64)
    pred = case.pred(target)
    valid = torch.zeros_like(target[:, :1], dtype=torch.bool)
    valid[..., 16:, 16:] = True
    crop_pred, crop_target = pred[..., 16:, 16:], target[..., 16:, 16:]
    torch.testing.assert_close(case(pred, target, valid), case(crop_pred, crop_target))
    slope = gradient(case, pred, target, valid)[..., 16:, 16:]
    torch.testing.assert_close(slope, gradient(case, crop_pred, crop_target, None), rtol=1e-3, atol=1e-6)


def check_nothing_valid(case: LossCase) -> None:
    target = case.target()
    nothing = torch.zeros_like(target, dtype=torch.bool)
    nan = torch.full_like(target, torch.nan) if target.is_floating_point() else target
    for pred in (case.pred(target), torch.full_like(case.pred(target), torch.nan)):
        assert case(pred, nan, nothing) == 0
        assert (gradient(case, pred, nan, nothing) == 0).all()


def check_image_without_anything_valid(case: LossCase) -> None:
    """It is as if the image were not in the batch."""
    target = case.target(batch=3)
    pred = case.pred(target)
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[-1] = False
    torch.testing.assert_close(case(pred, target, valid), case(pred[:2], target[:2]))


def check_constant_target(case: LossCase) -> None:
    """A mask without foreground, one without background, a flat wall: finite, and so is the gradient."""
    target = case.target()
    for value in (0, 1):
        flat = torch.full_like(target, value)
        assert case(case.pred(target), flat).isfinite()
        assert gradient(case, case.pred(target), flat, None).isfinite().all()
        assert 0 <= case(case.truth(flat), flat) <= case.zero or not case.examples.flat


def check_constant_prediction(case: LossCase) -> None:
    target = case.target()
    for value in (0.0, 1.0):
        flat = torch.full_like(case.pred(target), value)
        assert case(flat, target).isfinite()
        assert gradient(case, flat, target, None).isfinite().all()


def check_extreme_predictions(case: LossCase) -> None:
    target = case.target()
    for size in (1e2, 1e4):
        wrong = -size * case.truth(target).sign()
        assert case(wrong, target).isfinite()
        assert gradient(case, wrong, target, None).isfinite().all()


def check_half_precision(case: LossCase) -> None:
    """Half-precision predictions are computed in float32, also inside autocast."""
    target = case.target()
    for dtype in (torch.bfloat16, torch.float16):
        pred = case.pred(target).to(dtype)
        in_float = case(pred.float(), target)
        assert case(pred, target).dtype == torch.float32
        assert torch.equal(case(pred, target), in_float)
        assert gradient(case, pred, target, None).dtype == dtype
    pred = case.pred(target)
    with torch.autocast("cpu", torch.bfloat16):
        in_autocast = case(pred, target)
    assert torch.equal(in_autocast, case(pred, target))


def check_tiny_images(case: LossCase) -> None:
    for height, width in ((1, 1), (1, 3), (2, 1), (3, 5)):
        target = case.target(1, height, width)
        pred = case.pred(target)
        assert case(pred, target).isfinite()
        assert case(pred, target) >= 0
        assert gradient(case, pred, target, None).isfinite().all()


def check_memory_layout(case: LossCase) -> None:
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    loss = case(pred, target, valid)
    for change in (
        lambda x: x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x,
        lambda x: x.transpose(0, -1).contiguous().transpose(0, -1),
        lambda x: torch.stack([x, x], dim=-1)[..., 0],
    ):
        torch.testing.assert_close(case(change(pred), change(target), change(valid)), loss)


def check_inputs_are_left_alone(case: LossCase) -> None:
    target = case.target()
    tensors = [case.pred(target), target, case.valid(target)]
    copies = [tensor.clone() for tensor in tensors]
    case(*tensors)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, copies, strict=True))


def check_wrong_shapes(case: LossCase) -> None:
    target = case.target(batch=4)
    pred, valid = case.pred(target), case.valid(target)
    with pytest.raises(ValueError, match="prediction and target must have one shape"):
        case(pred, target[:1])
    with pytest.raises(ValueError, match="prediction and target must have one shape"):
        case(pred[..., None], target)
    for wrong in (valid[:2], valid[..., None]):
        with pytest.raises(ValueError, match="valid mask must have the target's shape"):
            case(pred, target, wrong)


def check_refuses_what_is_no_map(case: LossCase) -> None:
    target = case.target()
    with pytest.raises(ValueError, match=r"prediction and target must be \(B, C, H, W\); it has shape"):
        case.loss(**case.options)(case.pred(target)[0], target[0], **case.extra(target))


CHECKS: tuple[Callable[[LossCase], None], ...] = (
    check_scalar,
    check_zero_at_best,
    check_rises_with_the_mistake,
    check_symmetry,
    check_gradient,
    check_twin,
    check_all_valid_is_no_mask,
    check_valid_is_broadcast,
    check_what_is_not_valid_does_not_matter,
    check_what_is_valid_does_matter,
    check_valid_rectangle_is_a_crop,
    check_nothing_valid,
    check_image_without_anything_valid,
    check_constant_target,
    check_constant_prediction,
    check_extreme_predictions,
    check_half_precision,
    check_tiny_images,
    check_memory_layout,
    check_inputs_are_left_alone,
    check_wrong_shapes,
    check_refuses_what_is_no_map,
)


def applies(check: Callable[[LossCase], None], case: LossCase) -> bool:
    """Whether a loss has promised what ``check`` asks for."""
    on_logits = case.values in ("logits", "classes")
    return {
        check_symmetry: not on_logits and case.best is None and case.symmetric is not None,
        check_gradient: case.gradcheck,
        check_valid_rectangle_is_a_crop: case.cropped and case.examples.is_map,
        check_extreme_predictions: on_logits,
        check_tiny_images: case.examples.is_map,
        check_refuses_what_is_no_map: case.loss.needs_map,
    }.get(check, True)
