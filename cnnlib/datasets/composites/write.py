"""Composites as files, in the journal's layout, which the data set ``fg_bg`` reads.

::

    bg/<background>.jpg       each background once, as the net sees it
    fg_bg_mask/<name>.png     0 and 255
    fg_bg_depth/<name>.png    16 bits: millimetres, or what the unit says in thousandths
    fg_bg/<name>.jpg          the composite, last of its files
    samples.csv               image, background, foreground of all that are there: for the option background_file
    made_from.json            what they were made from
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from torch import Tensor

from cnnlib.datasets.composites.source import Composites
from cnnlib.files import json_text, locked, read_json, write_atomically, write_csv
from cnnlib.processes import start_fork_server
from cnnlib.types import CnnlibError, Sample

_CHUNK = 32
_STEPS = 1000  # of depth, per unit
_DEEPEST = 65535  # of its levels
_MADE_FROM = "made_from.json"


def write_composites(
    options: Mapping[str, Any],
    indices: Sequence[int],
    out: Path,
    picture: Literal["jpg", "png"] = "jpg",
    jobs: int = 1,
) -> Iterator[int]:
    """Writes samples of the data set that ``options`` describe; those that are there already are kept.

    Args:
        options: of ``Composites``.
        indices: of the samples in the whole.
        picture: the format of ``bg`` and ``fg_bg``; JPEG has quality 95.
        jobs: processes.

    Yields:
        The number of samples that are done, now and then; at the end ``samples.csv`` is written.

    Raises:
        CnnlibError: ``out`` cannot be written, or holds composites that were made from something else; a depth is
            larger than 16 bits hold; one of the processes was killed.
    """
    source = Composites(**options)
    folders = ["bg", "fg_bg", "fg_bg_mask", *(["fg_bg_depth"] if "depth" in source.targets else [])]
    if jobs > 1:
        start_fork_server()
    try:
        for name in folders:
            (out / name).mkdir(parents=True, exist_ok=True)
        _claim(out / _MADE_FROM, {"options": dict(options), "picture": picture, "pictures": source.digest()})
        chunks = [list(indices[start : start + _CHUNK]) for start in range(0, len(indices), _CHUNK)]
        if jobs == 1:
            _open(options)
            yield from (_write(out, picture, chunk) for chunk in chunks)
        else:
            with ProcessPoolExecutor(jobs, get_context("forkserver"), _open, (options,)) as pool:
                yield from pool.map(partial(_write, out, picture), chunks)
        with locked(out):  # of processes that write other composites, the last lists them all
            _list(source, out, picture)
    except OSError as error:
        raise CnnlibError(f"{error.filename or out}: cannot be written ({error.strerror})") from None
    except BrokenProcessPool:
        raise CnnlibError(
            f"{out}: a process that writes was killed; is there memory left? The same command goes on from here"
        ) from None


def _claim(path: Path, made_from: dict[str, Any]) -> None:
    text, advice = json_text(made_from), "choose another --out, or delete the folder"
    try:
        found = read_json(path)
    except FileNotFoundError:
        write_atomically(path, text)
        return
    except CnnlibError as error:
        raise CnnlibError(f"{error}; {advice}") from None
    if found != json.loads(text):
        raise CnnlibError(f"{path.parent} holds composites that were made from something else; {advice}")


def _list(source: Composites, out: Path, picture: str) -> None:
    """Writes ``samples.csv``, with a row for each composite that is there, whichever call has written it."""
    there = {path.stem for path in (out / "fg_bg").glob(f"*.{picture}")}
    rows = []
    for index in range(len(source)):
        if (name := source.name_of(index)) in there:
            foreground, background = source.parts_of(index)
            rows.append({"image": name, "background": background, "foreground": foreground})
    write_csv(out / "samples.csv", ["image", "background", "foreground"], rows)


_source: Composites
"""Of a writing process."""


def _open(options: Mapping[str, Any]) -> None:
    global _source
    _source = Composites(**options)


def _write(out: Path, picture: str, indices: Sequence[int]) -> int:
    for index in indices:
        name = _source.name_of(index)
        paths = {key: out / key / f"{name}.png" for key in ("fg_bg_mask", "fg_bg_depth")}
        paths["fg_bg"] = out / "fg_bg" / f"{name}.{picture}"
        background = out / "bg" / f"{_source.parts_of(index)[1]}.{picture}"
        wanted = {
            key: path for key, path in paths.items() if key != "fg_bg_depth" or "depth" in _source.targets
        }
        if background.exists() and all(path.exists() for path in wanted.values()):
            continue
        sample = _source.sample(index)
        pixels = {key: _pixels(key, sample) for key in wanted}
        if not background.exists():
            write_atomically(background, _encoded(_source.background(index), picture))
        for key, path in wanted.items():
            write_atomically(path, _encoded(pixels[key], path.suffix[1:]))
    return len(indices)


def _pixels(key: str, sample: Sample) -> np.ndarray:
    if key == "fg_bg":
        return _levels(sample["image"][-3:], 255).astype(np.uint8).transpose(1, 2, 0)
    if key == "fg_bg_mask":
        return _levels(sample["mask"].value[0], 255).astype(np.uint8)
    return _depth_levels(sample)


def _depth_levels(sample: Sample) -> np.ndarray:
    """Level 0 is what is not valid, and nothing else."""
    depth = sample["depth"]
    valid = depth.valid[0].numpy()
    levels = np.maximum(_levels(depth.value[0], _STEPS), 1)
    deepest = levels.max(initial=0, where=valid)
    if deepest > _DEEPEST:
        raise CnnlibError(
            f"{sample['name']}: its depth goes up to {deepest / _STEPS:g}; files hold thousandths in 16 bits, at most "
            f"{_DEEPEST / _STEPS:g}: set depth_scale so that depths become smaller"
        )
    return np.where(valid, levels, 0).astype(np.uint16)


def _levels(values: Tensor, steps: int) -> np.ndarray:
    return np.rint(values.double().numpy() * steps)


def _encoded(pixels: np.ndarray, form: str) -> bytes:
    file = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if form == "jpg" else {"compress_level": 3}
    Image.fromarray(pixels).save(file, "JPEG" if form == "jpg" else "PNG", **options)
    return file.getvalue()
