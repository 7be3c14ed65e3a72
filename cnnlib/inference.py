"""A trained run on new images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn

from cnnlib.config import load_suite
from cnnlib.datasets import DATASETS
from cnnlib.datasets.image_files import list_images, read_color
from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.experiment import build_model, build_tasks, make_fabric
from cnnlib.lookup import find
from cnnlib.tasks import Task
from cnnlib.types import CnnlibError


@dataclass(frozen=True)
class TrainedRun:
    """The best weights of a run, ready to predict."""

    model: nn.Module
    tasks: Mapping[str, Task]
    image_names: tuple[str, ...]
    fabric: Fabric
    size: int | None
    """What its data set brought all images to, ``size`` x ``size``; ``None`` where they kept their own."""

    @torch.inference_mode()
    def predict(self, image: Tensor) -> dict[str, Tensor]:
        """Image (C, H, W) in [0, 1], any H and W, to decoded predictions (C, H, W) by task, on the CPU.

        The net sees the image at the size that it was trained on, where there is one: things look as large as they
        did in training. The predictions are brought to the image's own size.
        """
        batch = image[None].to(self.fabric.device)
        own_size = batch.shape[-2:]
        if self.size is not None:
            batch = _resized(batch, (self.size, self.size))
        with self.fabric.autocast():
            outputs = self.model(batch.contiguous(memory_format=torch.channels_last))
        return {
            name: _resized(task.decode(outputs[name]), own_size)[0].cpu() for name, task in self.tasks.items()
        }


def load_run(folder: Path) -> TrainedRun:
    """The run that ``folder`` (``runs/<suite>/<experiment>/seed-<n>``) holds.

    Raises:
        CnnlibError: the folder is no run's, or the run has no trained weights yet.
    """
    path = folder / "config.yaml"
    if not path.exists():
        raise CnnlibError(
            f"{folder}: no config.yaml; give a run's folder, runs/<suite>/<experiment>/seed-<n>"
        )
    (config,) = load_suite(path).experiments.values()
    weights = load_checkpoint(folder / "checkpoints" / "best.ckpt")["model"]
    image_names = find(config.dataset.name, DATASETS).image_names
    tasks = build_tasks(config)
    fabric, _ = make_fabric(config.training.precision)
    model = build_model(config, tasks, image_names).to(fabric.device, memory_format=torch.channels_last)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CnnlibError(f"{folder}: its weights do not fit its config.yaml: {reason}") from None
    size = config.dataset.options.get("size")
    return TrainedRun(model.eval(), tasks, image_names, fabric, size if isinstance(size, int) else None)


def _resized(images: Tensor, size: Sequence[int]) -> Tensor:
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, tuple(size), mode="bilinear", antialias=True)


def find_images(inputs: Sequence[Path]) -> dict[str, Path]:
    """Every image that ``inputs`` (files and folders) name, by stem.

    Raises:
        CnnlibError: nothing is there, or two images have one stem, so that one result would replace the other.
    """
    found: dict[str, Path] = {}
    for given in inputs:
        if given.is_dir():
            suffixes, ambiguous = list_images(given)
            if ambiguous:
                raise CnnlibError(f"{given}: several images are called {ambiguous[0]!r}; keep one of them")
            paths = [given / f"{stem}{suffix}" for stem, suffix in sorted(suffixes.items())]
            if not paths:
                raise CnnlibError(f"{given}: holds no jpg or png image")
        elif given.is_file():
            paths = [given]
        else:
            raise CnnlibError(f"{given}: no such file or folder")
        for path in paths:
            if path.stem in found:
                raise CnnlibError(
                    f"{found[path.stem]} and {path}: both results would be called {path.stem!r}; "
                    "predict them into different folders"
                )
            found[path.stem] = path
    return found


def read_inputs(
    run: TrainedRun, inputs: Mapping[str, Path], background: Path | None
) -> Iterator[tuple[str, Tensor]]:
    """Name and image (C, H, W) of every input, with its background in front where the run was trained with one.

    Args:
        background: an image for all inputs, or a folder that holds one of each input's name. One of another
            size is brought to its input's size.

    Raises:
        CnnlibError: a background is missing or not wanted, or a file is no image.
    """
    wants_background = run.image_names == ("bg", "fg_bg")
    if wants_background and background is None:
        raise CnnlibError(
            "this run was trained on pairs of a background and a foreground on it; name the background with "
            "--background: one image for all inputs, or a folder with one of each input's name"
        )
    if background is not None and not wants_background:
        raise CnnlibError(
            f"this run was trained on {', '.join(run.image_names)} alone; leave out --background"
        )
    backgrounds = _match_backgrounds(inputs, background) if background else {}
    for name, path in inputs.items():
        image = read_color(path)
        pictures = [image]
        if wants_background:
            pictures.insert(0, read_color(backgrounds[name]).resize(image.size, Image.Resampling.BILINEAR))
        yield name, torch.cat([_to_tensor(picture) for picture in pictures])


def _match_backgrounds(inputs: Mapping[str, Path], background: Path) -> dict[str, Path]:
    if background.is_file():
        return dict.fromkeys(inputs, background)
    if not background.is_dir():
        raise CnnlibError(f"{background}: no such file or folder")
    found = find_images([background])
    missing = [name for name in inputs if name not in found]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise CnnlibError(f"{background}: no background called {', '.join(missing[:3])}{more}")
    return found


def _to_tensor(picture: Image.Image) -> Tensor:
    """float32 (3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
