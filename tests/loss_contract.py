"""What every loss promises: ``CHECKS``, each to be run on a ``LossCase`` of every loss in the table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

import cnnlib.losses
from cnnlib.losses import LOSSES, Loss

_CERTAIN = 30.0  # logits of a prediction without a doubt


@dataclass(frozen=True)
class LossCase:
    """One loss with options, on one kind of task, and what holds for it beyond the common contract.

    Args:
        name: its name in ``LOSSES``.
        kind: the kind of task whose predictions and targets it gets.
        options: of its constructor.
        symmetric: prediction and target may change places.
        best: the prediction at which it is least, made from the target, where that is not the truth.
        worst: a bad prediction, made from the target; losses rise on the straight way from best to worst.
        zero: how far from 0 the loss may be at its best.
        gradcheck: a numeric derivative sees all that the loss depends on.
        cropped: a valid rectangle equals the crop.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    symmetric: bool = False
    best: Callable[[Tensor], Tensor] | None = None
    worst: Callable[[Tensor], Tensor] | None = None
    zero: float = 1e-6
    gradcheck: bool = True
    cropped: bool = True

    def __str__(self) -> str:
        options = "-".join(f"{key}={value}" for key, value in self.options.items())
        return "-".join(part for part in (self.name, self.kind, options) if part)

    def build(self) -> Loss:
        return LOSSES[self.name](**self.options)

    def __call__(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        loss = self.build()
        return loss(pred, target, valid, **self.extra(pred))

    def extra(self, pred: Tensor) -> dict[str, Tensor]:
        """The image, for losses that look at it."""
        if not LOSSES[self.name].needs_image:
            return {}
        generator = torch.Generator().manual_seed(3)
        image = torch.rand(pred.shape[0], 6, 64, 64, generator=generator)  # the same, whatever the crop
        return {"image": image[..., 64 - pred.shape[2] :, 64 - pred.shape[3] :]}

    def target(self, batch: int = 2, height: int = 16, width: int = 16) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        noise = torch.rand(batch, 1, height, width, generator=generator)
        if self.kind == "mask":
            return (noise > 0.6).float()
        if self.kind == "depth":
            return 1 + 4 * noise + torch.linspace(0, 2, width)
        if self.kind == "semantic":
            return (noise * 4).long()
        normals = torch.randn(batch, 3, height, width, generator=generator)
        return normals / normals.norm(dim=1, keepdim=True)

    def pred(self, target: Tensor) -> Tensor:
        """A poor prediction: logits, probabilities, depths or directions, without a tie anywhere."""
        generator = torch.Generator().manual_seed(2)
        if self.kind == "semantic":
            return torch.randn(target.shape[0], 4, *target.shape[2:], generator=generator)
        noise = torch.randn(target.shape, generator=generator)
        if self.kind == "normals" or (self.kind == "mask" and LOSSES[self.name].on_logits):
            return noise
        return noise.sigmoid() if self.kind == "mask" else 2 + 4 * noise.sigmoid()

    def truth(self, target: Tensor) -> Tensor:
        """The best prediction, sure of itself."""
        if self.best is not None:
            return self.best(target)
        if self.kind == "semantic":
            return _CERTAIN * torch.nn.functional.one_hot(target[:, 0], 4).movedim(-1, 1).float()
        if LOSSES[self.name].on_logits:
            return _CERTAIN * (2 * target - 1)
        return target.clone()

    def mistake(self, target: Tensor) -> Tensor:
        if self.worst is not None:
            return self.worst(target)
        truth = self.truth(target)
        if self.kind == "semantic":
            return truth.roll(1, dims=1)
        if self.kind == "mask" and not LOSSES[self.name].on_logits:
            return 1 - truth
        if self.kind == "depth":
            return self.pred(target)
        return -0.9 * truth  # not the exact opposite, or the way there would lead through the zero vector

    def valid(self, target: Tensor) -> Tensor:
        """A third of the pixels, at random, are not valid; (B, C, H, W), all channels alike."""
        keep = torch.rand(target[:, :1].shape, generator=torch.Generator().manual_seed(4)) > 1 / 3
        return keep.expand(target.shape)


def gradient(case: LossCase, pred: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    pred = pred.clone().requires_grad_()
    (result,) = torch.autograd.grad(case(pred, target, valid), pred)
    return result


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
    target = case.target(batch=2, height=24, width=24)
    truth, mistake = case.truth(target), case.mistake(target)
    losses = [case(torch.lerp(truth, mistake, way), target) for way in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    rises = torch.stack(losses).diff()
    assert (rises >= -1e-6).all(), losses
    assert losses[-1] > losses[0] + 1e-3
    assert min(losses) >= 0


def check_symmetry(case: LossCase) -> None:
    target = case.target()
    pred = target.maximum(target.flip(-1)) if case.kind == "mask" else case.pred(target)
    there, back = case(pred, target), case(target, pred)
    assert torch.isclose(there, back) == case.symmetric, (there, back)


def check_gradient(case: LossCase) -> None:
    target = case.target(2, 5, 6)
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
    of_function = inspect.signature(function).parameters
    for name, option in inspect.signature(LOSSES[case.name]).parameters.items():
        assert of_function[name].default in (option.default, inspect.Parameter.empty)


def check_all_valid_is_no_mask(case: LossCase) -> None:
    target = case.target()
    pred = case.pred(target)
    everything = torch.ones_like(target, dtype=torch.bool)
    torch.testing.assert_close(case(pred, target, everything), case(pred, target))


def check_invalid_pixels_do_not_matter(case: LossCase) -> None:
    """Whatever stands there, NaN included: the same value, the same gradient, and none at those pixels."""
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    loss, slope = case(pred, target, valid), gradient(case, pred, target, valid)
    assert slope.isfinite().all()
    outside = ~valid.expand(pred.shape) if case.kind == "semantic" else ~valid
    assert (slope[outside] == 0).all()
    assert (slope[~outside] != 0).any()
    for value in (0.0, 255.0, torch.nan, torch.inf):
        if target.is_floating_point():
            other_target = torch.where(valid, target, value)
        else:
            other_target = torch.where(valid, target, 255)
        other_pred = torch.where(outside, value, pred)
        assert torch.equal(case(other_pred, other_target, valid), loss)
        assert torch.equal(gradient(case, other_pred, other_target, valid), slope)


def check_valid_pixels_do_matter(case: LossCase) -> None:
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    assert not torch.isclose(case(pred, target, valid), case(pred, target))


def check_valid_rectangle_is_a_crop(case: LossCase) -> None:
    target = case.target(2, 64, 64)
    pred = case.pred(target)
    valid = torch.zeros_like(target, dtype=torch.bool)
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


def check_image_without_valid_pixels(case: LossCase) -> None:
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
        assert 0 <= case(case.truth(flat), flat) <= case.zero or case.kind == "normals"


def check_constant_prediction(case: LossCase) -> None:
    target = case.target()
    for value in (0.0, 1.0):
        flat = torch.full_like(case.pred(target), value)
        assert case(flat, target).isfinite()
        assert gradient(case, flat, target, None).isfinite().all()


def check_extreme_logits(case: LossCase) -> None:
    target = case.target()
    for size in (1e2, 1e4):
        wrong = -size * (case.truth(target).sign() if case.kind != "semantic" else case.truth(target))
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
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: torch.stack([x, x], dim=-1)[..., 0],
    ):
        torch.testing.assert_close(case(change(pred), change(target), change(valid)), loss)


def check_inputs_are_left_alone(case: LossCase) -> None:
    target = case.target()
    tensors = [case.pred(target), target, case.valid(target).clone()]
    copies = [tensor.clone() for tensor in tensors]
    case(*tensors)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(tensors, copies, strict=True))


def check_wrong_shapes(case: LossCase) -> None:
    target = case.target()
    pred, valid = case.pred(target), case.valid(target)
    with pytest.raises(ValueError, match="prediction and target must have one shape"):
        case(pred[..., 1:], target)
    with pytest.raises(ValueError, match="prediction and target must have one shape"):
        case(pred, target[:1])
    with pytest.raises(ValueError, match="valid mask must have the target's shape"):
        case(pred, target, valid[:, :, 1:])


CHECKS: tuple[Callable[[LossCase], None], ...] = (
    check_scalar,
    check_zero_at_best,
    check_rises_with_the_mistake,
    check_symmetry,
    check_gradient,
    check_twin,
    check_all_valid_is_no_mask,
    check_invalid_pixels_do_not_matter,
    check_valid_pixels_do_matter,
    check_valid_rectangle_is_a_crop,
    check_nothing_valid,
    check_image_without_valid_pixels,
    check_constant_target,
    check_constant_prediction,
    check_extreme_logits,
    check_half_precision,
    check_tiny_images,
    check_memory_layout,
    check_inputs_are_left_alone,
    check_wrong_shapes,
)


def applies(check: Callable[[LossCase], None], case: LossCase) -> bool:
    """Whether a loss has promised what ``check`` asks for."""
    on_logits = LOSSES[case.name].on_logits
    return {
        check_symmetry: not on_logits and case.best is None,
        check_gradient: case.gradcheck,
        check_valid_rectangle_is_a_crop: case.cropped,
        check_extreme_logits: on_logits,
    }.get(check, True)
