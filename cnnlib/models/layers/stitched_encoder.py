"""Encoders of one make side by side, one per task, whose maps are mixed after each stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlib.types import CnnlibError

_BATCH = 3  # of the image that layers are measured with
_ADVICE = "take a convolutional encoder such as resnet34, or another exchange"


class StitchedEncoder(nn.Module):
    """One encoder per task; what ends a stage is mixed across tasks before the next stage sees it.

    All run at once, on a batch that holds the image once per task: the first encoder's code is followed, in which each
    layer stands for that layer of every encoder, each applied to its own task's part of the batch. So it takes every
    encoder whose parameters all lie in layers that it calls; which they are, and where stages end, is measured by one
    image on the "meta" device.

    Args:
        encoders: by task, alike but for their weights.
        stitch: makes what mixes the maps of one stage, (T B, ...) -> the same, from the number of their channels and
            the axis that these are on.

    Attributes:
        skip_channels, out_channels, stride, multiple: those of each encoder.

    Raises:
        CnnlibError: the encoders cannot be followed layer by layer.
    """

    def __init__(self, encoders: Mapping[str, nn.Module], stitch: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        first, *_ = encoders.values()
        self.skip_channels, self.out_channels, self.stride = (
            first.skip_channels,
            first.out_channels,
            first.stride,
        )
        self.multiple = getattr(first, "multiple", first.stride)
        layers, ends = _measure(first)
        self.encoders = nn.ModuleDict(encoders)
        self.stitches = nn.ModuleList(stitch(end.channels, end.axis) for end in ends)
        after = {end.path: each for end, each in zip(ends, self.stitches, strict=True)}
        memo: dict[int, Any] = {}
        for path in layers:
            alike = [encoder.get_submodule(path) for encoder in encoders.values()]
            memo[id(alike[0])] = _Together(alike if _has_state(alike[0]) else alike[:1], after.get(path))
        # In a tuple, for it is no part of the model: it has no tensors of its own, only ways to those in `encoders`.
        self._followed = (deepcopy(first, memo),)
        self._stages = _stages_of(first, layers, ends)

    def forward(self, image: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]:
        """(B, in, H, W) -> the bottom (T B, out, H / stride, W / stride), and the skips from fine to coarse, task after
        task in the batch.
        """
        (followed,) = self._followed
        return followed(torch.cat([image] * len(self.encoders)))

    def train(self, mode: bool = True) -> StitchedEncoder:
        for followed in self._followed:
            followed.train(mode)
        return super().train(mode)

    @property
    def stages(self) -> list[nn.Module]:
        """From the image to the bottom, each with that stage of every encoder and what mixes behind it."""
        stages = [
            nn.ModuleList(each)
            for each in zip(*(encoder.stages for encoder in self.encoders.values()), strict=True)
        ]
        for index, stitch in zip(self._stages, self.stitches, strict=True):
            stages[index].append(stitch)
        return stages

    def check_pretrained(self) -> None:
        """Raises ``CnnlibError`` where the encoders' ``weights`` are a file that is not there."""
        for encoder in self.encoders.values():
            if hasattr(encoder, "check_pretrained"):
                encoder.check_pretrained()

    def load_pretrained(self) -> None:
        """Loads ``weights`` into each of the encoders.

        Raises:
            CnnlibError: they cannot be fetched or read, or are not those of the encoders.
        """
        for encoder in self.encoders.values():
            if hasattr(encoder, "load_pretrained"):
                encoder.load_pretrained()


class _Together(nn.Module):
    """Layers of the same place in several encoders: each computes its own part of the batch. A single layer, without
    state, computes the whole. The layers belong to the encoders, not to this module.
    """

    def __init__(self, layers: Sequence[nn.Module], stitch: nn.Module | None) -> None:
        super().__init__()
        self._layers = tuple(layers)
        self._stitches = () if stitch is None else (stitch,)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        count = len(self._layers)
        if count == 1:
            output = self._layers[0](*args, **kwargs)
        else:
            parts = _parts((args, kwargs), count)
            output = _joined(
                [layer(*own, **named) for layer, (own, named) in zip(self._layers, parts, strict=True)]
            )
        for stitch in self._stitches:
            output = _each_tensor(stitch, output)
        return output


def _parts(value: Any, count: int) -> list[Any]:
    """``value`` for each of ``count`` tasks: tensors, at any depth, are divided along the batch."""
    if isinstance(value, Tensor):
        return list(value.chunk(count))
    if isinstance(value, tuple | list):
        columns = [_parts(each, count) for each in value]
        return [type(value)(column[index] for column in columns) for index in range(count)]
    if isinstance(value, dict):
        columns = {key: _parts(each, count) for key, each in value.items()}
        return [{key: column[index] for key, column in columns.items()} for index in range(count)]
    return [value] * count


def _joined(values: Sequence[Any]) -> Any:
    """What ``_parts`` divided, together again."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(list(values))
    if isinstance(first, tuple | list):
        return type(first)(_joined(column) for column in zip(*values, strict=True))
    return first


def _each_tensor(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple | list):
        return type(value)(_each_tensor(function, each) for each in value)
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    for each in (
        value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    ):
        yield from _tensors(each)


def _state(module: nn.Module) -> set[int]:
    return {id(each) for each in (*module.parameters(), *module.buffers())}


def _has_state(module: nn.Module) -> bool:
    return len(_state(module)) > 0


@dataclass(frozen=True)
class _End:
    """The layer that a stage ends with: its path, and of what it gives the channels and their axis."""

    path: str
    channels: int
    axis: int


@dataclass
class _Call:
    """One call of a layer while an image is shown."""

    path: str
    args: Any
    output: Any
    in_place: bool


def _measure(encoder: nn.Module) -> tuple[list[str], list[_End]]:
    """The paths of the outermost layers that the encoder calls, and the ends of its stages, in the order of calls.

    Raises:
        CnnlibError: it keeps parameters outside of these layers, or its stages have no one layer that ends them.
    """
    net = deepcopy(encoder).to("meta").eval().requires_grad_(True)
    calls, maps = _calls(net)
    paths = list(dict.fromkeys(call.path for call in calls))
    held = set().union(*(_state(net.get_submodule(path)) for path in paths))
    outside = [name for name, each in (*net.named_parameters(), *net.named_buffers()) if id(each) not in held]
    if outside:
        raise CnnlibError(
            f"cross_stitch follows encoders layer by layer, and this one keeps {len(outside)} of its tensors outside "
            f"of the layers that it calls, such as {outside[0]!r}: {_ADVICE}"
        )
    if any(each.ndim == 0 or len(each) != _BATCH for call in calls for each in _tensors(call.args)):
        raise CnnlibError(
            f"cross_stitch follows encoders layer by layer, and this one gives its layers more than images: {_ADVICE}"
        )
    if changing := next((call.path for call in calls if call.in_place), None):
        raise CnnlibError(
            f"cross_stitch follows encoders layer by layer, and this one's {changing!r} changes in place what it is "
            f"given: {_ADVICE}"
        )
    return paths, list(dict.fromkeys(_end(calls, each) for each in maps))


def _calls(net: nn.Module) -> tuple[list[_Call], list[Tensor]]:
    """Of the outermost layers: those inside of no other but such as hold the whole net. And the maps that it gives."""
    calls: list[_Call] = []
    inside: list[int] = []
    whole = {*net.parameters()}

    def enter(module: nn.Module, args: Any, kwargs: Any, path: str) -> None:
        inside.append(_versions((args, kwargs)))

    def leave(module: nn.Module, args: Any, kwargs: Any, output: Any, path: str) -> None:
        changed = inside.pop() != _versions((args, kwargs))
        if not inside:
            calls.append(_Call(path, (args, kwargs), output, changed and _has_state(module)))

    for path, module in net.named_modules():
        if {*module.parameters()} != whole:
            module.register_forward_pre_hook(
                lambda module, args, kwargs, path=path: enter(module, args, kwargs, path), with_kwargs=True
            )
            module.register_forward_hook(
                lambda module, args, kwargs, output, path=path: leave(module, args, kwargs, output, path),
                with_kwargs=True,
            )
    side = net.example_side if hasattr(net, "example_side") else 2 * getattr(net, "multiple", net.stride)
    with torch.enable_grad():
        bottom, skips = net(torch.empty(_BATCH, net.in_channels, side, side, device="meta"))
    return calls, [each for each in (*skips, bottom) if each is not None]


def _versions(value: Any) -> int:
    """Grows with each change in place of a tensor in ``value``."""
    return sum(each._version for each in _tensors(value))


def _end(calls: Sequence[_Call], found: Tensor) -> _End:
    """The last layer called that a map depends on."""
    outputs = [(call, each) for call in calls for each in _tensors(call.output) if each.requires_grad]
    gradients = torch.autograd.grad(
        found.sum(), [each for _, each in outputs], retain_graph=True, allow_unused=True
    )
    call = [call for (call, _), gradient in zip(outputs, gradients, strict=True) if gradient is not None][-1]
    channels = found.shape[1]
    once = sum(each.path == call.path for each in calls) == 1
    for axis in (1, -1):
        if once and all(each.shape[axis] == channels for each in _tensors(call.output)):
            return _End(call.path, channels, axis)
    raise CnnlibError(
        f"cross_stitch mixes the maps that stages end with, and this encoder's {call.path!r} does not give the map of "
        f"{channels} channels that depends on it: {_ADVICE}"
    )


def _stages_of(encoder: nn.Module, layers: Sequence[str], ends: Sequence[_End]) -> list[int]:
    """The index of the stage that each end belongs to: the last one computed until then."""
    owner = {tensor: index for index, stage in enumerate(encoder.stages) for tensor in _state(stage)}
    stage, of_layer = 0, {}
    for path in layers:
        stage = max([stage, *(owner[tensor] for tensor in _state(encoder.get_submodule(path)))])
        of_layer[path] = stage
    return [of_layer[end.path] for end in ends]
