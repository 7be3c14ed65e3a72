"""Named points of one object: landmarks, keypoints, corners."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor

from cnnlib.checks import checked, did_you_mean
from cnnlib.metrics.points import PointsMetrics
from cnnlib.tasks.averages import median
from cnnlib.tasks.base import PlaceErrors, check_names
from cnnlib.tasks.drawing import BLUE, ORANGE, Canvas, color_key, palette
from cnnlib.tasks.mean_shape import mean_shape
from cnnlib.tasks.row import CoordinatesTask, width_height
from cnnlib.types import CnnlibError, Head, LossInputs, Size, SplitMetric, Target, TargetInfo, View

_ROUNDING = 0.001  # pixels
_SIDES = {"left": "right", "right": "left", "Left": "Right", "Right": "Left"}
_MOST_NAMED = 12  # points whose colours are named; with more, nobody would read them
_VALUES = ("x", "y", "confidence")


class PointsTask(CoordinatesTask):
    """Target: float (K, 2), x and y in pixels with (0, 0) at the centre of the first pixel; valid (K,): seen or not.

    Prediction: (K, 3), x, y and a confidence: that of a heatmap is its peak, 1 where it is as sharp as the rendered
    Gaussian; coordinates have none (NaN).

    Args:
        head: ``heatmap`` makes a map for each point, a distribution over the places, which may be smaller than the
            image; losses on coordinates take its mean for the point (soft-argmax). ``coordinates`` makes two numbers
            for each point, its distance from the picture's centre as shares of the width and the height.
        sigma: of the Gaussian that a heatmap is compared with, as a share of the picture's longer side.
        decoding: where a heatmap says that the point is: at its ``mean``, or at its ``peak``, the mean over the square
            of 3 sigma around the highest place. A little weight on a second place draws the mean away from both. Take
            ``peak`` with a loss on heatmaps; a loss on coordinates alone leaves them any shape that has the mean.
        reference: the length that the metrics nme and auc divide distances by: ``box``, the diagonal of the box
            around the true points, or the distance between two points, given by name, such as the outer corners of the
            eyes.

    Raises:
        CnnlibError: the target does not name its points, or its ``flip_order`` does not swap them in pairs, or
            ``reference`` does not name two of them.
    """

    kind: ClassVar[str] = "points"
    default_loss: ClassVar[str] = "l1"
    main_metric: ClassVar[str] = "within_0.05"
    finer_metric: ClassVar[str] = "error"
    alike = (0,)
    place: ClassVar[str] = "a point"
    error_legend = "blue: truth; orange: prediction"
    file_note = "x and y in pixels of the image; (0, 0) is the centre of its upper left pixel"

    @checked
    def __init__(
        self,
        info: TargetInfo,
        head: Literal["heatmap", "coordinates"] = "heatmap",
        sigma: Annotated[float, Gt(0)] = 0.03,
        decoding: Literal["mean", "peak"] = "mean",
        reference: Literal["box"] | tuple[str, str] = "box",
    ) -> None:
        super().__init__(info)
        check_names(info, 1, "points")
        count = len(info.names)
        order = info.flip_order or order_by_names(info.names)
        own = list(range(count))
        if sorted(order) != own or [order[i] for i in order] != own:
            raise CnnlibError(
                f"flip_order must give, for each of the {count} points, the index of the one that it changes places "
                f"with; it is {order}"
            )
        self.flip_order = list(order)
        if reference != "box":
            _check_pair(reference, info.names)
        self.sigma, self.decoding, self.reference = sigma, decoding, reference
        self.head = Head("map", count) if head == "heatmap" else Head("vector", 2 * count)
        self.values = ("coordinates", "heatmaps") if head == "heatmap" else ("coordinates",)
        self._colors = palette(count + 1)[1:]  # without black
        self.legend = f"one colour for each of the {count} points"
        if count <= _MOST_NAMED:
            self.legend = color_key(info.names, self._colors)
        self.columns = [f"{name}_{end}" for name in info.names for end in _VALUES]

    def needed_columns(self) -> list[list[str]]:
        return [[f"{name}_{axis}" for name in self.info.names for axis in "xy"]]

    def missing(self, size: Size) -> Target:
        count = len(self.info.names)
        return Target(torch.zeros(count, 2), torch.zeros(count, dtype=torch.bool))

    def check(self, target: Target, size: Size) -> Target:
        """Points outside of the picture are not valid, whether they left it or were never in it."""
        value, valid = super().check(target, size)
        return Target(value, valid & _inside(value + 0.5, size))

    def move(self, target: Target, view: View) -> Target:
        corner = view.points(target.value + 0.5)
        value, valid = corner - 0.5, target.valid & _inside(corner, view.size)
        if view.mirrored:
            return Target(value[self.flip_order], valid[self.flip_order])
        return Target(value, valid)

    def places(self, target: Target, view: View) -> Tensor:
        value, valid = self.move(target, view)
        return value[valid] + 0.5

    def loss_inputs(self, values: str, raw: Tensor, target: Target, size: Size) -> LossInputs:
        value = torch.where(target.valid[..., None], target.value, 0)  # what is not valid may hold NaN
        if values == "coordinates":
            longer = max(size)
            return LossInputs(self._located(raw, size) / longer, value / longer, target.valid[..., None])
        return LossInputs(
            self._heatmaps(raw), self._rendered(value, size, raw.shape[-2:]), target.valid[..., None, None]
        )

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        near_peak = self.head.shape == "map" and self.decoding == "peak"
        xy = self._located(self._near_peak(raw) if near_peak else raw, size)
        if self.head.shape == "vector":
            confidence = torch.full_like(xy[..., 0], torch.nan)
        else:
            confidence = self._heatmaps(raw).flatten(2).amax(2).clamp(max=1)
        return torch.cat([xy, confidence[..., None]], dim=2)

    def metric(self) -> SplitMetric:
        return PointsMetrics(self.info.names, self.reference)

    def place_errors(self, pairs: Iterable[tuple[Tensor, Target]]) -> PlaceErrors | None:
        """On the mean of the true shapes; each image's distances are scaled as its true shape is."""
        rows = [(prediction[:, :2], *target) for prediction, target in pairs]
        if not any(valid.sum() > 1 for _, _, valid in rows):
            return None
        found, true, valid = (torch.stack(column) for column in zip(*rows, strict=True))
        places, factors = mean_shape(true, valid)
        distances = (found - true).double().norm(dim=2) * factors[:, None]
        errors = distances.masked_fill(~valid | factors.isnan()[:, None], torch.nan).nanmean(0)
        return PlaceErrors(places, errors, "of the diagonal of the box around the mean shape")

    def constant(self, targets: Iterable[Target]) -> Tensor:
        """The median of x and of y of each point, which outliers do not move."""
        return median(self.known(targets), self.alike)

    def as_prediction(self, value: Tensor) -> Tensor:
        """With a confidence of 1."""
        return torch.cat([value, torch.ones_like(value[..., :1])], dim=-1)

    def as_value(self, prediction: Tensor) -> Tensor:
        return prediction[:, :2]

    def expand_valid(self, valid: Tensor, prediction: Tensor) -> Tensor:
        return valid[:, None].expand_as(prediction)

    def resize(self, prediction: Tensor, old: Size, new: Size) -> Tensor:
        scale = width_height(new, prediction) / width_height(old, prediction)
        return torch.cat([(prediction[:, :2] + 0.5) * scale - 0.5, prediction[:, 2:]], dim=1)

    def draw(self, prediction: Tensor, image: Tensor, valid: Tensor | None = None) -> Tensor:
        canvas = Canvas(image)
        for index, (xy, color) in enumerate(zip(prediction[:, :2], self._colors, strict=True)):
            if valid is None or valid[index]:
                canvas.disc(xy + 0.5, color)
        return canvas.picture()

    def draw_error(self, prediction: Tensor, target: Target, image: Tensor) -> Tensor:
        canvas = Canvas(image)
        pairs = torch.stack([prediction[:, :2], target.value], dim=1)[target.valid] + 0.5
        for found, truth in pairs:
            canvas.line(truth, found, ORANGE).disc(truth, BLUE).disc(found, ORANGE)
        return canvas.picture()

    def by_name(self, stored: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """``{"phone": {"x": 117.2, "y": 196.1, "confidence": 0.93}}``."""
        return {name: {end: stored[f"{name}_{end}"] for end in _VALUES} for name in self.info.names}

    def load(self, stored: Mapping[str, Any]) -> Tensor:
        return super().load(stored).view(-1, 3)

    def _located(self, raw: Tensor, size: Size) -> Tensor:
        """Coordinates in pixels of the image, (B, K, 2)."""
        picture = width_height(size, raw)
        if self.head.shape == "vector":
            return (0.5 + raw.float().unflatten(1, (-1, 2))) * picture - 0.5
        from kornia.geometry.subpix import spatial_soft_argmax2d  # heavy, and only heatmaps need it

        places = spatial_soft_argmax2d(raw.float(), normalized_coordinates=False)
        return (places + 0.5) * picture / width_height(raw.shape[-2:], raw) - 0.5

    def _near_peak(self, raw: Tensor) -> Tensor:
        """The logits (B, K, h, w), minus infinity farther than 3 sigma from the highest, in x or in y."""
        height, width = raw.shape[-2:]
        highest = raw.flatten(2).argmax(2)
        reach = max(1.0, 3 * self.sigma * max(height, width))
        rows, columns = (torch.arange(side, device=raw.device) for side in (height, width))
        near_y = (rows - (highest // width)[..., None]).abs() <= reach  # (B, K, h)
        near_x = (columns - (highest % width)[..., None]).abs() <= reach
        return raw.float().masked_fill(~(near_y[..., :, None] & near_x[..., None, :]), -torch.inf)

    def _heatmaps(self, raw: Tensor) -> Tensor:
        """The distributions (B, K, h, w), scaled as the Gaussians of ``_rendered`` are."""
        return raw.float().flatten(2).softmax(2).view(raw.shape) * self._peak(raw.shape[-2:])

    def _rendered(self, value: Tensor, size: Size, shape: Size) -> Tensor:
        """Gaussians (B, K, h, w) around points in pixels of the image, with a peak of about 1."""
        from kornia.geometry.subpix import render_gaussian2d

        scale = width_height(shape, value) / width_height(size, value)
        mean = (value + 0.5) * scale - 0.5
        deviation = mean.new_full((2,), self.sigma * max(shape)).expand_as(mean)
        return render_gaussian2d(mean, deviation, tuple(shape), False) * self._peak(shape)

    def _peak(self, shape: Size) -> float:
        """What a Gaussian of sum 1 is multiplied by, so that its peak becomes 1."""
        return 2 * math.pi * (self.sigma * max(shape)) ** 2


def order_by_names(names: Sequence[str]) -> tuple[int, ...]:
    """Points whose names differ in left and right alone change places in a mirror; all others stay themselves."""
    places = {name: index for index, name in enumerate(names)}
    twins = [re.sub("|".join(_SIDES), lambda side: _SIDES[side[0]], name) for name in names]
    return tuple(places.get(twin, places[name]) for twin, name in zip(twins, names, strict=True))


def _check_pair(pair: tuple[str, str], names: tuple[str, ...]) -> None:
    for name in pair:
        if name not in names:
            raise CnnlibError(
                f"reference must be box or the names of two points; none of the {len(names)} points is called "
                f"{name!r}{did_you_mean(name, names)}"
            )
    if pair[0] == pair[1]:
        raise CnnlibError(f"reference must name two different points; it names {pair[0]!r} twice")


def _inside(corner: Tensor, size: Size) -> Tensor:
    """Which places (K, 2), counted from the picture's corner, lie in it or, but for rounding, on its edge."""
    return ((corner >= -_ROUNDING) & (corner <= width_height(size, corner) + _ROUNDING)).all(1)
