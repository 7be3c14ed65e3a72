"""From a stored sample to one that is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchvision import tv_tensors

from cnnlib.augmentations.base import Geometric, Photometric
from cnnlib.augmentations.motion import Depth, Motion
from cnnlib.tasks import Task
from cnnlib.types import CnnlibError, Sample

_ENTRY_TYPES: dict[str, type[tv_tensors.TVTensor]] = {"map": tv_tensors.Mask, "depth": Depth}


class Pipeline:
    """Applies augmentations to a sample, in the order given, and says where its targets are valid.

    Geometric ones move the image, every target and every valid mask together; those that follow each other
    are made one motion, so that the image is interpolated once. Photometric ones get the image alone.
    Randomness comes from torch's global generator.

    Args:
        augmentations: none at all for evaluation.
        tasks: the targets to keep, by the name of their entry; ``Task.geometry`` says how each is moved.

    Raises:
        CnnlibError: if an augmentation is neither geometric nor photometric.
    """

    def __init__(self, augmentations: Sequence[Geometric | Photometric], tasks: Mapping[str, Task]) -> None:
        for position, augmentation in enumerate(augmentations):
            if not isinstance(augmentation, (Geometric, Photometric)):
                raise CnnlibError(
                    f"augmentations[{position}] must be an object of a subclass of "
                    f"cnnlib.augmentations.Geometric or cnnlib.augmentations.Photometric; got {augmentation!r}"
                )
        self._augmentations = tuple(augmentations)
        self._entry_types = {name: _ENTRY_TYPES[task.geometry] for name, task in tasks.items()}

    def __call__(self, sample: Sample) -> Sample:
        """``image``, ``name``, ``group`` (the name where there is none), and of each task that the sample has a
        target for, ``<task>`` and ``<task>_valid``, bool: all true where the sample has none and nothing came in
        from outside.

        Plain contiguous tensors. Everything else that the sample holds is left out.

        Raises:
            CnnlibError: if the sample's image, targets and valid masks do not fit together.
        """
        entries = self._wrap(sample)
        height, width = entries["image"].shape[-2:]
        motion = Motion()
        for augmentation in self._augmentations:
            if isinstance(augmentation, Geometric):
                motion = motion.then(augmentation.draw(height, width))
            else:
                entries, motion = motion.move(entries), Motion()
                entries["image"] = tv_tensors.Image(augmentation(entries["image"].as_subclass(Tensor)))
        entries = motion.move(entries)
        plain = {name: entry.as_subclass(Tensor).contiguous() for name, entry in entries.items()}
        return {**plain, "name": sample["name"], "group": sample.get("group", sample["name"])}

    def _wrap(self, sample: Sample) -> dict[str, tv_tensors.TVTensor]:
        """The entries that are kept, each of the type by which torchvision knows how to move it."""
        image = _checked(sample, "image", torch.float32, None)
        low, high = torch.aminmax(image)
        if not (low >= 0 and high <= 1):  # also true for NaN
            raise CnnlibError(
                f"sample {sample.get('name')!r}: 'image' must be in [0, 1]; got {low:g} to {high:g}"
            )
        entries: dict[str, tv_tensors.TVTensor] = {"image": tv_tensors.Image(image)}
        for task, entry_type in self._entry_types.items():
            if task not in sample:
                continue
            target = _checked(sample, task, torch.float32, image.shape[-2:])
            entries[task] = entry_type(target)
            if f"{task}_valid" in sample:
                valid = _checked(sample, f"{task}_valid", torch.bool, target.shape)
            else:
                valid = torch.ones_like(target, dtype=torch.bool)
            entries[f"{task}_valid"] = tv_tensors.Mask(valid)
        return entries


def _checked(sample: Sample, key: str, dtype: torch.dtype, ending: Sequence[int] | None) -> Tensor:
    """``sample[key]``, a tensor (C, H, W) whose shape ends like ``ending``."""
    value = sample.get(key)
    if not isinstance(value, Tensor):
        raise CnnlibError(
            f"sample {sample.get('name')!r}: {key!r} must be a tensor; got {type(value).__name__}"
        )
    ending = tuple(ending or ())
    if value.dtype != dtype or value.ndim != 3 or tuple(value.shape[3 - len(ending) :]) != ending:
        axes = ", ".join(map(str, ("C", "H", "W")[: 3 - len(ending)] + ending))
        raise CnnlibError(
            f"sample {sample.get('name')!r}: {key!r} must be {dtype} ({axes}); "
            f"got {value.dtype} {tuple(value.shape)}"
        )
    return value
