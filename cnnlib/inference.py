"""A trained run on new images.

>>> model = load_run("runs/scenes/l1/seed-0")
>>> predictions = model.predict("photo.jpg", bg="empty_room.jpg")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from PIL import Image, ImageOps
from torch import Tensor, nn

from cnnlib.assembly import describe_net, make_fabric, make_model, make_tasks, resolve_precision
from cnnlib.config import ExperimentConfig, load_experiment
from cnnlib.datasets import DATASETS
from cnnlib.datasets.fitting import fitted_size, padded
from cnnlib.datasets.image_files import read_color, to_image, to_rgb
from cnnlib.datasets.listing import ImageFolder, listed_suffixes
from cnnlib.engine.checkpoint import load_checkpoint, load_weights
from cnnlib.tasks import Task
from cnnlib.tasks.saved import read_data
from cnnlib.types import CnnlibError, Fit, Size

_BUILT = ("model", "task")

Picture: TypeAlias = str | Path | Image.Image | Tensor
"""A file, a picture, or a tensor (C, H, W) in [0, 1]; of any size."""


@dataclass(frozen=True)
class TrainedRun:
    """The best weights of a run, ready to predict."""

    config: ExperimentConfig
    tasks: Mapping[str, Task]
    model: nn.Module
    """On the device, in evaluation mode."""
    inputs: Mapping[str, int]
    """The pictures that an image is made of, and their channels; the last is the one that is predicted."""
    size: int | None
    """The net is shown every image at ``size`` x ``size``, as in training; ``None``: at its own size."""
    fit: Fit
    """How a picture of another shape is brought to ``size``."""
    fabric: Fabric

    @torch.inference_mode()
    def predict(self, picture: Picture, /, **others: Picture) -> dict[str, Tensor]:
        """Decoded predictions by task, on the CPU, for ``picture`` at its own size, given the run's other inputs.

        Raises:
            CnnlibError: an input is missing or unknown, has other channels or values, or is no image.
        """
        *_, main = self.inputs
        given = {main: picture, **others}
        check_inputs(self.inputs, given)
        pictures = {name: _opened(given[name], name, channels) for name, channels in self.inputs.items()}
        own = _size(pictures[main])
        inner = fitted_size(own, self.size, self.fit)
        size = own if self.size is None else (self.size, self.size)
        tensors = [_resized(each, inner) for each in pictures.values()]
        image = padded(torch.cat(tensors), size)[None].to(self.fabric.device)
        with self.fabric.autocast():
            outputs = self.model(image.contiguous(memory_format=torch.channels_last))
        return {
            name: task.resize(task.cut(task.decode(outputs[name], size)[0].cpu(), inner), inner, own)
            for name, task in self.tasks.items()
        }

    def partner(self, key: str, name: str) -> str | None:
        """The file's name, in the input ``key``, that belongs to the image ``name`` by the rule of the run's data."""
        dataset = self.config.dataset
        # Of outside code nothing is called that predicting can do without.
        rules = getattr(DATASETS.get(dataset.name), "partners", lambda **_: {})(**dataset.options)
        return rules[key](name) if key in rules else None


def load_run(folder: str | Path) -> TrainedRun:
    """The run that ``folder`` (``runs/<suite>/<experiment>/seed-<n>``) holds.

    Of what its ``config.yaml`` names by a dotted path, model and tasks are imported, which is running code.

    Raises:
        CnnlibError: the folder holds no run, or the run has no trained weights yet.
    """
    folder = Path(folder)
    if not (folder / "config.yaml").is_file():
        raise CnnlibError(
            f"{folder}: no config.yaml; give the folder of a run, runs/<suite>/<experiment>/seed-<n>"
        )
    config = load_experiment(folder / "config.yaml", imported=_BUILT)
    data = read_data(folder)
    tasks = make_tasks(config, data.targets)
    fabric = make_fabric(resolve_precision(config.training.precision))
    path = folder / "checkpoints" / "best.ckpt"
    weights = load_checkpoint(path, describe_net(config, tasks, data.inputs))["model"]
    model = make_model(config, tasks, data.inputs).to(fabric.device, memory_format=torch.channels_last)
    load_weights(model, weights, path)
    return TrainedRun(config, tasks, model.eval(), data.inputs, data.size, data.fit, fabric)


def find_images(inputs: Sequence[Path]) -> dict[str, Path]:
    """Every image that ``inputs`` (files and folders) name, by the name of its file.

    Raises:
        CnnlibError: nothing is there, or two images have one name, so that one result would replace the other.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        for path in _listed(given):
            if path.stem in found:
                raise CnnlibError(
                    f"{found[path.stem]} and {path}: both results would be called {path.stem!r}; "
                    "predict them into different folders"
                )
            found[path.stem] = path
    return found


def match_inputs(run: TrainedRun, names: Sequence[str], given: Mapping[str, Path]) -> list[dict[str, Path]]:
    """The files of the run's other inputs for each of the images called ``names``.

    Args:
        given: for each other input a file, for all images, or a folder with one of each image's name, or of the name
            that the rule of the run's data set gives.

    Raises:
        CnnlibError: an input is missing or unknown, or a folder lacks files.
    """
    *_, main = run.inputs
    check_inputs(run.inputs, {main: main, **given})
    matched: list[dict[str, Path]] = [{} for _ in names]
    for key, place in given.items():
        files = {path.stem: path for path in _listed(place)}
        for name, others in zip(names, matched, strict=True):
            own = place.stem if place.is_file() else name if name in files else run.partner(key, name)
            if own not in files:
                raise CnnlibError(f"{place}: holds no {key} for the image {name!r}; name it like the image")
            others[key] = files[own]
    return matched


def check_inputs(inputs: Mapping[str, int], given: Mapping[str, object]) -> None:
    """Raises ``CnnlibError`` unless exactly the ``inputs`` are given."""
    needed = f"this run was trained on {' and '.join(inputs)}"
    if missing := [name for name in inputs if name not in given]:
        raise CnnlibError(f"{needed}; {missing[0]} is missing: --input {missing[0]}=FILE (or FOLDER)")
    if unknown := [name for name in given if name not in inputs]:
        raise CnnlibError(f"{needed}; leave out {unknown[0]}")


def _listed(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise CnnlibError(f"{place}: no such file or folder")
    folder = ImageFolder({"": place})
    if folder.ambiguous:
        raise CnnlibError(f"{place}: several images are called {folder.ambiguous[0]!r}; keep one of them")
    if not folder:
        raise CnnlibError(f"{place}: holds no image ({listed_suffixes()})")
    return [folder.path(name) for name in sorted(folder)]


def _opened(picture: Picture, name: str, channels: int) -> Image.Image | Tensor:
    if isinstance(picture, (str, Path)):
        picture = read_color(Path(picture))
    if isinstance(picture, Tensor) and picture.ndim != 3:
        raise CnnlibError(
            f"the input {name!r} must be one picture ({channels}, H, W); got a tensor of shape {tuple(picture.shape)}"
        )
    given = len(picture) if isinstance(picture, Tensor) else 3
    if given != channels:
        raise CnnlibError(f"the input {name!r} has {channels} channels; got {given}")
    if isinstance(picture, Image.Image):
        return to_rgb(ImageOps.exif_transpose(picture))
    if not (picture.is_floating_point() and picture.min() >= 0 and picture.max() <= 1):
        raise CnnlibError(f"the input {name!r} must be float in [0, 1]: divide levels of 0 to 255 by 255")
    return picture


def _size(picture: Image.Image | Tensor) -> Size:
    return tuple(picture.shape[-2:]) if isinstance(picture, Tensor) else (picture.height, picture.width)


def _resized(picture: Image.Image | Tensor, size: Size) -> Tensor:
    if isinstance(picture, Image.Image):
        return to_image([picture], size)
    if _size(picture) == tuple(size):
        return picture
    return F.interpolate(picture[None], tuple(size), mode="bilinear", antialias=True)[0]
