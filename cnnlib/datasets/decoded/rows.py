"""A sample as rows of arrays, and back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from cnnlib.datasets.cache import ArraySpec
from cnnlib.datasets.decoded.packing import NotExactError, Packing, packing_for
from cnnlib.types import CnnlibError, Sample, Target

_LONGEST = 250  # bytes of a name
_MISSING, _WHOLE, _PARTLY = 0, 1, 2  # no such target; all of it is valid (no mask is stored); with a mask


class TooNarrowError(Exception):
    """A sample that a layout does not give back; ``layout`` is a wider one."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout


class DamagedRowError(Exception):
    """A stored sample has changed."""


@dataclass(frozen=True)
class Layout:
    """How the samples of a data set are stored.

    Attributes:
        image: height, width and channels in the order of the arrays: (C, H, W).
        levels: images are stored as bytes, of which each is a 255th; else as they are.
        values: target to how its value is stored.
        valid: target to the shape of its mask; ``None`` where no sample has one.
    """

    image: tuple[int, ...]
    levels: bool
    values: Mapping[str, Packing]
    valid: Mapping[str, tuple[int, ...] | None]

    @classmethod
    def of(cls, examples: Sequence[Sample], targets: Sequence[str]) -> Layout:
        """The smallest that gives the examples back."""
        values, valid = {}, {}
        for key in targets:
            known = [sample[key] for sample in examples if key in sample]
            if known:
                values[key] = packing_for([target.value.numpy() for target in known])
                masks = [tuple(target.valid.shape) for target in known if target.valid is not None]
                valid[key] = masks[0] if masks else None
        levels = all(_levels(sample["image"]) is not None for sample in examples)
        return cls(tuple(examples[0]["image"].shape), levels, values, valid)

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """The opposite of ``to_json``; anything else breaks it in any way."""
        stored = json.loads(text)
        values = {
            key: Packing(**each | {"shape": tuple(each["shape"])}) for key, each in stored["values"].items()
        }
        valid = {key: shape and tuple(shape) for key, shape in stored["valid"].items()}
        return cls(tuple(stored["image"]), bool(stored["levels"]), values, valid)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def _with(self, key: str, value: Packing, valid: tuple[int, ...] | None) -> Layout:
        return replace(self, values={**self.values, key: value}, valid={**self.valid, key: valid})

    def specs(self, count: int) -> dict[str, ArraySpec]:
        found = {"image": ArraySpec((count, *self.image), "|u1" if self.levels else "<f4")}
        found |= {text: ArraySpec((count,), f"|S{_LONGEST}") for text in ("name", "group")}
        found["checksum"] = ArraySpec((count,), "<u4")
        for key, packing in self.values.items():
            found[f"{key}.there"] = ArraySpec((count,), "|u1")
            found[f"{key}.value"] = ArraySpec((count, *packing.shape), packing.stored)
            found[f"{key}.valid"] = ArraySpec((count, self._mask_bytes(key)), "|u1")
        return found

    def stored_bytes(self, count: int) -> int:
        """What so many samples take."""
        return sum(
            np.dtype(spec.dtype).itemsize * int(np.prod(spec.shape)) for spec in self.specs(count).values()
        )

    def _mask_bytes(self, key: str) -> int:
        shape = self.valid[key]
        return 0 if shape is None else -(-int(np.prod(shape)) // 8)

    def pack(self, sample: Sample) -> dict[str, np.ndarray]:
        """
        Raises:
            TooNarrowError: the sample would not be given back as it is, but for targets in float16.
            CnnlibError: its image is not like the others, or its name or group is too long.
        """
        rows = {"image": self._image(sample)}
        for text in ("name", "group"):
            rows[text] = _text(sample, text)
        targets = {key: value for key, value in sample.items() if isinstance(value, Target)}
        for key, (value, valid) in targets.items():
            if key not in self.values:
                mask = None if valid is None else tuple(valid.shape)
                raise TooNarrowError(self._with(key, packing_for([value.numpy()]), mask))
        for key, packing in self.values.items():
            bits = np.zeros(self._mask_bytes(key), np.uint8)
            there, packed = _MISSING, np.zeros(packing.shape, packing.stored)
            if key in targets:
                there, (value, valid) = _WHOLE, targets[key]
                if valid is not None and not valid.all():
                    if self.valid[key] is None:
                        raise TooNarrowError(self._with(key, packing, tuple(valid.shape)))
                    there, bits = _PARTLY, np.packbits(valid.numpy().reshape(-1))
                try:
                    packed = packing.pack(value.numpy())
                except NotExactError:
                    raise TooNarrowError(self._with(key, packing.widened(), self.valid[key])) from None
            rows |= {f"{key}.there": np.array(there, np.uint8), f"{key}.value": packed, f"{key}.valid": bits}
        return rows | {"checksum": np.array(_checksum(rows), np.uint32)}

    def _image(self, sample: Sample) -> np.ndarray:
        image = sample["image"]
        if tuple(image.shape) != self.image:
            raise CnnlibError(
                f"{sample['name']}: its image is {tuple(image.shape)}, others are {self.image}; set size"
            )
        if not self.levels:
            return image.numpy()
        levels = _levels(image)
        if levels is None:
            raise TooNarrowError(replace(self, levels=False))
        return levels.numpy()

    def unpack(self, arrays: Mapping[str, np.ndarray], index: int, verify: bool = True) -> Sample:
        """The sample, with ``image_uint8`` where its image is stored so.

        Raises:
            DamagedRowError: the row is not as it was packed; looked for with ``verify`` alone.
        """
        if verify and _checksum_of(arrays, index) != arrays["checksum"][index]:
            raise DamagedRowError
        sample: Sample = {
            "image_uint8" if self.levels else "image": torch.from_numpy(np.array(arrays["image"][index])),
            "name": bytes(arrays["name"][index]).decode(),
        }
        for key, packing in self.values.items():
            there = int(arrays[f"{key}.there"][index])
            if there == _MISSING:
                continue
            value = torch.from_numpy(packing.unpack(arrays[f"{key}.value"][index]))
            shape, valid = self.valid[key], None
            if there == _PARTLY:
                bits = np.unpackbits(arrays[f"{key}.valid"][index], count=int(np.prod(shape)))
                valid = torch.from_numpy(bits.astype(bool)).reshape(shape)
            elif shape is not None:
                valid = torch.ones(shape, dtype=torch.bool)
            sample[key] = Target(value, valid)
        if group := bytes(arrays["group"][index]).decode():
            sample["group"] = group
        return sample


def _checksum_of(arrays: Mapping[str, np.ndarray], index: int) -> int:
    return _checksum({key: array[index : index + 1] for key, array in arrays.items() if key != "checksum"})


def _checksum(rows: Mapping[str, np.ndarray]) -> int:
    """CRC-32 of the arrays of one sample."""
    found = 0
    for key in sorted(rows):
        found = zlib.crc32(np.ascontiguousarray(rows[key]), found)
    return found


def _levels(image: Tensor) -> Tensor | None:
    """An image as bytes; ``None`` where they would not give it back exactly."""
    levels = (image * 255).round().to(torch.uint8)
    return levels if torch.equal(levels.float().div_(255), image) else None


def _text(sample: Sample, key: str) -> np.ndarray:
    text = sample.get(key, "").encode()
    if len(text) > _LONGEST:
        raise CnnlibError(
            f"{sample['name']}: its {key} has {len(text)} bytes; the cache takes {_LONGEST}: leave cache out"
        )
    return np.array(text, f"|S{_LONGEST}")
