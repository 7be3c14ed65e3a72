"""From a stored sample to one that is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cnnlib.augmentations.base import Geometric, Photometric
from cnnlib.augmentations.similarity import Similarity
from cnnlib.tasks import Task
from cnnlib.types import CnnlibError, Sample, Size, Target, View


class Pipeline:
    """Applies augmentations to a sample, in the order given, and gives every task its target.

    Geometric ones move the image and every target together; those that follow each other are made one transform, so
    that the image is interpolated once. Photometric ones get the image alone, and what has left the image before one
    is lost to image and targets. Randomness comes from torch's global generator.

    Args:
        augmentations: none at all for evaluation.
        tasks: by the name of their target; each moves its own.

    Raises:
        CnnlibError: if an augmentation is neither geometric nor photometric.
    """

    def __init__(self, augmentations: Sequence[Geometric | Photometric], tasks: Mapping[str, Task]) -> None:
        for position, augmentation in enumerate(augmentations):
            if not isinstance(augmentation, Geometric | Photometric):
                raise CnnlibError(
                    f"augmentations[{position}] must be an object of a subclass of "
                    f"cnnlib.augmentations.Geometric or cnnlib.augmentations.Photometric; got {augmentation!r}"
                )
        self._augmentations = tuple(augmentations)
        self._tasks = dict(tasks)

    def __call__(self, sample: Sample) -> Sample:
        """``image``, ``name``, ``group`` (the name where there is none), and a ``Target`` for each task: not valid
        anywhere where the sample has none.

        Plain contiguous tensors. Everything else that the sample holds is left out. Without augmentations,
        ``image_uint8`` (see ``SampleSource.stored``) is given on instead of ``image``, for ``collate`` to convert.

        Raises:
            CnnlibError: if the sample's image and targets do not fit together.
        """
        key = "image_uint8" if "image_uint8" in sample else "image"
        image = _checked_image(sample, key)
        if key == "image_uint8" and self._augmentations:
            key, image = "image", image / 255
        size: Size = (image.shape[1], image.shape[2])
        targets = {name: self._target(sample, name, size) for name in self._tasks}
        pending = Similarity()
        for augmentation in self._augmentations:
            if isinstance(augmentation, Geometric):
                places = self._places(targets, pending.view(size))
                pending = pending.then(augmentation.draw(*size, places))
            else:
                image, targets = self._moved(image, targets, pending)
                image, pending = augmentation(image), Similarity()
        image, targets = self._moved(image, targets, pending)
        targets = {
            name: Target(*(entry.contiguous() for entry in target)) for name, target in targets.items()
        }
        return {
            key: image.contiguous(),
            **targets,
            "name": sample["name"],
            "group": sample.get("group", sample["name"]),
        }

    def _places(self, targets: Mapping[str, Target], view: View) -> Tensor:
        return torch.cat(
            [torch.zeros(0, 2), *(self._tasks[name].places(targets[name], view) for name in targets)]
        )

    def _moved(
        self, image: Tensor, targets: dict[str, Target], similarity: Similarity
    ) -> tuple[Tensor, dict[str, Target]]:
        if similarity == Similarity():
            return image, targets
        view = similarity.view((image.shape[1], image.shape[2]))
        moved = {name: self._tasks[name].move(target, view) for name, target in targets.items()}
        return similarity.move_image(image), moved

    def _target(self, sample: Sample, name: str, size: Size) -> Target:
        task = self._tasks[name]
        if name not in sample:
            return task.missing(size)
        try:
            if not isinstance(sample[name], Target):
                raise CnnlibError(f"must be a cnnlib.types.Target; it is a {type(sample[name]).__name__}")
            return task.check(sample[name], size)
        except CnnlibError as error:
            raise CnnlibError(f"sample {sample.get('name')!r}: {name!r}: {error}") from None


def _checked_image(sample: Sample, key: str) -> Tensor:
    image, name = sample.get(key), sample.get("name")
    if not isinstance(image, Tensor):
        raise CnnlibError(f"sample {name!r}: {key!r} must be a tensor; got {type(image).__name__}")
    dtype = torch.uint8 if key == "image_uint8" else torch.float32
    if image.dtype != dtype or image.ndim != 3:
        raise CnnlibError(
            f"sample {name!r}: {key!r} must be {dtype} (C, H, W); got {image.dtype} {tuple(image.shape)}"
        )
    if dtype == torch.float32:
        low, high = torch.aminmax(image)
        if not (low >= 0 and high <= 1):  # also true for NaN
            raise CnnlibError(f"sample {name!r}: {key!r} must be in [0, 1]; got {low:g} to {high:g}")
    return image
