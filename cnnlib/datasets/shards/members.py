"""A sample as the members of a tar shard, and back: nothing is lost but values that are not valid.

::

    <key>.input.<input>.png     the picture (png, webp or jpg); .npy float32 (C, H, W) where 8 bits do not hold it
    <key>.target.<target>.png   a map, as its kind of task stores predictions, where that loses nothing
    <key>.levels.<target>.npy   where that does, and the map has few values: these; the PNG then holds their indices
    <key>.target.<target>.npy   a map of many values, as it is
    <key>.valid.<target>.png    only where some of a map is not known: white is known
    <key>.json                  ``name``, ``group``, ``label_class``, and the ``targets`` that are no maps

In names, a dot and what is unsafe in a file's name are written as in a web address: ``%2E``.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cnnlib.files import file_stem, json_text
from cnnlib.lookup import find
from cnnlib.pictures import decode_picture
from cnnlib.tasks import TASKS, Task
from cnnlib.tasks.saved import DataDescription
from cnnlib.types import CnnlibError, Sample, Size, Target

Members: TypeAlias = dict[str, bytes]
"""The files of one sample, by what follows its key and a dot."""
ImageFormat: TypeAlias = Literal["png", "webp", "jpg"]

_SAVE: dict[str, tuple[str, dict[str, Any]]] = {
    "png": ("png", {"compress_level": 3}),  # half the time of 6, a tenth larger
    "webp": ("webp", {"lossless": True, "quality": 50}),  # of a lossless file, quality is effort
    "jpg": ("jpeg", {"quality": 95, "subsampling": 0}),
}
_MODES = {1: "L", 3: "RGB"}
_MOST_LEVELS = 2**16


class SampleCodec:
    """Between the samples of a data set and their members.

    Args:
        data: what the data set holds.
        image_format: of 8-bit pictures. ``png`` and ``webp`` lose nothing, ``jpg`` (quality 95) does.
    """

    def __init__(self, data: DataDescription, image_format: ImageFormat = "png") -> None:
        self.inputs = dict(data.inputs)
        self.tasks = {
            key: find(info.kind, TASKS, "task", (Task,))(info=info) for key, info in data.targets.items()
        }
        self._format, self._size = image_format, data.size
        self._stems = {key: file_stem(key).replace(".", "%2E") for key in (*self.inputs, *self.tasks)}

    def encode(self, sample: Sample, label_class: str | None) -> Members:
        """
        Raises:
            CnnlibError: the sample is not what its data set says.
        """
        members: Members = {}
        rows: dict[str, Any] = {}
        size: Size = tuple(sample["image"].shape[-2:])
        if len(sample["image"]) != sum(self.inputs.values()):
            raise CnnlibError(
                f"sample {sample['name']!r} has {len(sample['image'])} channels; its data set says "
                f"{sum(self.inputs.values())}"
            )
        pictures = sample["image"].split(list(self.inputs.values()))
        for key, picture in zip(self.inputs, pictures, strict=True):
            members |= self._picture(self._stems[key], picture)
        for key, task in self.tasks.items():
            if key in sample:
                try:
                    target = task.check(sample[key], size)
                except CnnlibError as error:
                    raise CnnlibError(f"sample {sample['name']!r}: {key!r}: {error}") from None
                if target.value.ndim == 3:
                    members |= encode_map(self._stems[key], task, target)
                else:
                    rows[key] = {"value": target.value.tolist(), "valid": target.valid.tolist()}
        about = {"name": sample["name"], "group": sample.get("group"), "label_class": label_class}
        known = {name: value for name, value in about.items() if value is not None}
        return members | {"json": json_text({**known, "targets": rows}).encode()}

    def decode(self, members: Mapping[str, bytes]) -> Sample:
        """
        Raises:
            CnnlibError, or whatever readers of damaged files raise: a member is missing or damaged.
        """
        about = json.loads(members["json"])
        pictures = [self._read_picture(key, members) for key in self.inputs]
        sample: Sample = {"image": torch.cat(pictures), "name": about["name"]}
        size: Size = tuple(sample["image"].shape[-2:])
        if self._size is not None and size != (self._size, self._size):
            raise CnnlibError(f"it has {size[0]} x {size[1]} pixels; expected {self._size} x {self._size}")
        for key in self.labels(members, about):
            task = self.tasks[key]
            if key in about["targets"]:
                target = _row(task.missing(size), **about["targets"][key])
            else:
                target = decode_map(self._stems[key], task, members)
            if not task.valid_values(task.check(target, size)).isfinite().all():
                raise CnnlibError(f"{key!r}: some valid values are NaN or infinite")
            sample[key] = target
        if about.get("group"):
            sample["group"] = about["group"]
        return sample

    def picture(self, members: Mapping[str, bytes]) -> bytes:
        """The file of the picture that the targets belong to; raises ``CnnlibError`` where there is none."""
        return members[self._picture_member(list(self.inputs)[-1], members)]

    def labels(self, members: Mapping[str, bytes], about: Mapping[str, Any]) -> list[str]:
        """The targets that a sample has, given its members and what its JSON holds; nothing is decoded."""
        return [
            key
            for key in self.tasks
            if key in about["targets"]
            or any(f"target.{self._stems[key]}.{ending}" in members for ending in ("png", "npy"))
        ]

    def _picture(self, stem: str, picture: Tensor) -> Members:
        levels = (picture * 255).round().to(torch.uint8)
        exact = torch.equal(levels.float() / 255, picture)
        if len(picture) not in _MODES or not (exact or self._format == "jpg"):
            return {f"input.{stem}.npy": _npy(picture.numpy())}
        pixels = levels.permute(1, 2, 0).numpy() if len(levels) > 1 else levels[0].numpy()
        return {f"input.{stem}.{self._format}": _image(pixels, self._format)}

    def _read_picture(self, key: str, members: Mapping[str, bytes]) -> Tensor:
        channels = self.inputs[key]
        member = self._picture_member(key, members)
        if member.endswith(".npy"):
            picture = torch.from_numpy(_read_npy(members[member]))
            if (picture.dtype, picture.ndim, len(picture)) != (torch.float32, 3, channels):
                raise CnnlibError(
                    f"{key!r} is {picture.dtype} {tuple(picture.shape)}; expected float32 ({channels}, H, W)"
                )
            if not picture.isfinite().all():
                raise CnnlibError(f"{key!r} holds NaN or infinite values")
            return picture
        with decode_picture(members[member]) as file:
            pixels = torch.from_numpy(np.array(file.convert(_MODES[channels])))
        return pixels.view(*pixels.shape[:2], channels).permute(2, 0, 1).float().div_(255)

    def _picture_member(self, key: str, members: Mapping[str, bytes]) -> str:
        """The name of the member that holds an input's picture."""
        endings = ["npy", *_SAVE]
        names = [f"input.{self._stems[key]}.{ending}" for ending in endings]
        if (found := next((name for name in names if name in members), None)) is None:
            raise CnnlibError(
                f"it has no member input.{self._stems[key]}.{'|'.join(endings)}; it has {', '.join(members)}"
            )
        return found


def encode_map(stem: str, task: Task, target: Target) -> Members:
    """A checked target (C, H, W); values that are not valid are not kept."""
    valid = target.valid
    value = target.value.masked_fill(~valid, 0)
    known = {} if valid.all() else {f"valid.{stem}.png": _image(valid[0].numpy(), "png")}
    if (stored := _stored(task, value, valid)) is not None:
        return known | {f"target.{stem}.png": _image(stored, "png")}
    levels, indices = np.unique(value.numpy(), return_inverse=True)
    if len(value) > 1 or len(levels) > min(_MOST_LEVELS, value.numel() // 2):
        return known | {f"target.{stem}.npy": _npy(value.numpy())}
    indices = indices.reshape(value.shape[1:]).astype(np.uint8 if len(levels) <= 256 else np.uint16)
    return known | {f"levels.{stem}.npy": _npy(levels), f"target.{stem}.png": _image(indices, "png")}


def decode_map(stem: str, task: Task, members: Mapping[str, bytes]) -> Target:
    """The inverse of ``encode_map``."""
    valid = None
    if (content := members.get(f"valid.{stem}.png")) is not None:
        valid = torch.from_numpy(_pixels(content) > 0)[None]
    if (content := members.get(f"target.{stem}.npy")) is not None:
        return Target(torch.from_numpy(_read_npy(content)), valid)
    pixels = _pixels(members[f"target.{stem}.png"])
    if (content := members.get(f"levels.{stem}.npy")) is not None:
        return Target(torch.from_numpy(_read_npy(content)[pixels])[None], valid)
    return Target(task.as_value(task.load(pixels)), valid)


def _stored(task: Task, value: Tensor, valid: Tensor) -> np.ndarray | None:
    """The map as ``task`` stores predictions; ``None`` where that would change it."""
    stored = task.store(task.as_prediction(value), valid)
    try:
        found = task.as_value(task.load(stored))
    except CnnlibError:  # what it stores of this map is, read again, none of its kind
        return None
    return stored if torch.equal(found.masked_fill(~valid, 0), value) else None


def _row(model: Target, value: Any, valid: Any) -> Target:
    """A target of the shape and types of ``model`` from what JSON holds; null is NaN."""
    return Target(
        torch.tensor(_with_nan(value), dtype=model.value.dtype).view(model.value.shape),
        torch.tensor(valid, dtype=torch.bool).view(model.valid.shape),
    )


def _with_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_nan(each) for each in value]
    return math.nan if value is None else value


def _written(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _image(array: np.ndarray, ending: str) -> bytes:
    name, options = _SAVE[ending]
    return _written(lambda file: Image.fromarray(array).save(file, name, **options))


def _npy(array: np.ndarray) -> bytes:
    return _written(lambda file: np.save(file, np.ascontiguousarray(array), allow_pickle=False))


def _pixels(content: bytes) -> np.ndarray:
    with decode_picture(content) as file:
        pixels = np.array(file)
    return (
        pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels
    )  # as older versions of Pillow read


def _read_npy(content: bytes) -> np.ndarray:
    return np.load(io.BytesIO(content), allow_pickle=False)
