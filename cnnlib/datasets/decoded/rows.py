"""A sample as rows of arrays, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from cnnlib.datasets.cache import ArraySpec
from cnnlib.datasets.decoded.packing import NotExactError, Packing, packing_for
from cnnlib.types import CnnlibError, Sample, Target

_TEXT = "|S250"
_MISSING, _WHOLE, _PARTLY = 0, 1, 2  # no such target; all of it is valid (no mask is stored); with a mask


@dataclass(frozen=True)
class Layout:
    """How the samples of a data set are stored.

    Attributes:
        image: height, width and channels in the order of the arrays: (C, H, W).
        values: target to how its value is stored.
        valid: target to the shape of its mask; ``None`` where no sample has one.
    """

    image: tuple[int, ...]
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
        return cls(tuple(examples[0]["image"].shape), values, valid)

    @classmethod
    def from_json(cls, text: str) -> Layout:
        """The opposite of ``to_json``. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for anything else."""
        stored = json.loads(text)
        values = {
            key: Packing(**each | {"shape": tuple(each["shape"])}) for key, each in stored["values"].items()
        }
        valid = {key: shape and tuple(shape) for key, shape in stored["valid"].items()}
        return cls(tuple(stored["image"]), values, valid)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    def in_half(self, key: str) -> Layout:
        """The same with one target as float16."""
        return replace(self, values={**self.values, key: self.values[key].in_half()})

    def specs(self, count: int) -> dict[str, ArraySpec]:
        found = {"image": ArraySpec((count, *self.image), "|u1")}
        found |= {text: ArraySpec((count,), _TEXT) for text in ("name", "group")}
        for key, packing in self.values.items():
            found[f"{key}.there"] = ArraySpec((count,), "|u1")
            found[f"{key}.value"] = ArraySpec((count, *packing.shape), packing.stored)
            found[f"{key}.valid"] = ArraySpec((count, self._mask_bytes(key)), "|u1")
        return found

    def _mask_bytes(self, key: str) -> int:
        shape = self.valid[key]
        return 0 if shape is None else -(-int(np.prod(shape)) // 8)

    def pack(self, sample: Sample) -> dict[str, np.ndarray]:
        """
        Raises:
            NotExactError: with the name of the target that is not given back exactly though it should be.
            CnnlibError: the sample is unlike those that the layout was made for.
        """
        name = sample["name"]
        levels = (sample["image"] * 255).round()
        if tuple(levels.shape) != self.image:
            raise CnnlibError(
                f"{name}: its image is {tuple(levels.shape)}, others are {self.image}; set size"
            )
        rows = {"image": levels.to(torch.uint8).numpy()}
        for text in ("name", "group"):
            rows[text] = np.array(sample.get(text, "").encode(), _TEXT)
        if unknown := [
            key for key, value in sample.items() if isinstance(value, Target) and key not in self.values
        ]:
            raise CnnlibError(f"{name}: it has a target {unknown[0]!r} that none of the first samples has")
        for key, packing in self.values.items():
            target = sample.get(key)
            bits = np.zeros(self._mask_bytes(key), np.uint8)
            there, value = _MISSING, np.zeros(packing.shape, packing.stored)
            if target is not None:
                there = _WHOLE
                if target.valid is not None and not target.valid.all():
                    if self.valid[key] is None:
                        raise CnnlibError(
                            f"{name}: a part of its {key} is not valid, which no sample before says"
                        )
                    there, bits = _PARTLY, np.packbits(target.valid.numpy().reshape(-1))
                try:
                    value = packing.pack(target.value.numpy())
                except NotExactError:
                    raise NotExactError(key) from None
            rows |= {f"{key}.there": np.array(there, np.uint8), f"{key}.value": value, f"{key}.valid": bits}
        return rows

    def unpack(self, arrays: Mapping[str, np.ndarray], index: int) -> Sample:
        sample: Sample = {
            "image": torch.from_numpy(np.array(arrays["image"][index])).float().div_(255),
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
