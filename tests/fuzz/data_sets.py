"""Damaged files of data sets, of their caches and of videos: none is accepted where its format has checksums.

PNG, npz and indexed tar files have checksums, and so have the caches of pictures and statistics: what is read of a
flipped, cut or zeroed one must be what was read before. JPEG, npy, PFM, OpenEXR and TIFF files, tables, lists of names,
JSON, Arrow, parquet and video files have none; of them the samples need only be usable. Of tar files without an
index, and of Arrow and parquet files, only the PNG files inside have them.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

from cnnlib.assembly import open_data
from cnnlib.assembly.normalize import training_statistics
from cnnlib.config import parse_suite
from cnnlib.datasets import Cityscapes, FgBg, Folders, HuggingFace, NYUv2, Shards
from cnnlib.datasets.decoded import Decoded
from cnnlib.tasks.saved import build_tasks
from cnnlib.types import CnnlibError, DataSource, Sample, Target
from cnnlib.video_files import frame_rate, read_frames
from tests.datasets.composites.made_pictures import composites, write_pictures
from tests.datasets.hugging_face_tables import TARGETS, table
from tests.datasets.pictures import PARTS, disc, photo, ramp, save, write_csv
from tests.datasets.test_contract import EXAMPLES
from tests.fuzz.damages import CORRUPTIONS, Damage, damages_of
from tests.fuzz.harness import Case
from tests.moving_dot import write_video

Found = Mapping[str, Mapping[str, np.ndarray]]
"""By the sample's name, and then by what it holds."""


@dataclass(frozen=True)
class Kind:
    """
    Attributes:
        make: writes a good one in an empty folder.
        read: everything in it.
        damaged: patterns of the files that are changed.
        checksummed: endings of files whose corruption must be noticed.
        pictures_checksummed: of the others, pictures that come out changed are a failure too.
        in_place: it is made anew for each case, for it goes by paths and times.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], Found]
    damaged: tuple[str, ...] = ("**/*",)
    checksummed: tuple[str, ...] = ()
    pictures_checksummed: bool = False
    in_place: bool = False

    def files(self, root: Path) -> list[Path]:
        found = {
            path
            for pattern in self.damaged
            for path in root.glob(pattern)
            if path.is_file() and path.stat().st_size
        }
        return sorted(path.relative_to(root) for path in found)


# What is made


def _table_folders(root: Path) -> None:
    """Maps in files that hold numbers, a table of points, and lists of the splits' names."""
    rows = [("name", "nose_x", "nose_y", "tail_x", "tail_y")]
    for number in range(8):
        name = f"{number}.png"
        save(photo(number), root / "photo" / name)
        for folder in ("npz", "pfm", "tif"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        np.savez_compressed(root / "npz" / f"{number}.npz", disc() > 0)
        metres = ramp().astype(np.float32) / 25
        (root / "pfm" / f"{number}.pfm").write_bytes(b"Pf\n32 24\n-1.0\n" + metres.tobytes())
        Image.fromarray(metres).save(root / "tif" / f"{number}.tif")
        rows.append((name, str(2 + number), "7.5", "20", "3"))
    write_csv(root / "points.csv", *rows)
    for part, names in (("train", "01234"), ("val", "5"), ("test", "67")):
        (root / f"{part}.txt").write_text("".join(f"{name}.png\n" for name in names))


def _open_table_folders(root: Path, size: int = 16) -> Folders:
    return Folders(
        str(root),
        {"image": "photo"},
        {
            "mask": "npz",
            "near": {"kind": "depth", "folder": "pfm"},
            "far": {"kind": "depth", "folder": "tif"},
            "points": {"file": "points.csv", "names": ["nose", "tail"]},
        },
        size=size,
        splits={part: f"{part}.txt" for part in PARTS},
    )


def _listed_fg_bg(root: Path) -> None:
    rows = [("image", "background", "foreground")]
    for number in range(8):
        for folder, picture in (("fg_bg", photo(number)), ("fg_bg_mask", disc()), ("fg_bg_depth", ramp())):
            save(picture, root / folder / f"{number}.png")
        save(photo(number + 100), root / "bg" / f"b{number}.png")
        rows.append((f"{number}.png", f"b{number}.png", f"f{number}"))
    write_csv(root / "pairs.csv", *rows)


def _open_fg_bg(root: Path) -> FgBg:
    return FgBg(
        str(root),
        background_file="pairs.csv",
        group_by="foreground",
        val=0.2,
        test=0.2,
        depth_scale=0.02,
        size=16,
    )


def _open_table(root: Path, name: str) -> HuggingFace:
    datasets.config.HF_DATASETS_CACHE = Path("tables").absolute()
    return HuggingFace(
        str(root / name),
        {"image": "photo"},
        TARGETS,
        val=0.2,
        test=0.2,
        group_column="scene",
        size=16,
        name_column="id",
    )


def _save_table(root: Path) -> None:
    table(8).save_to_disk(root / "table")


def _save_splits(root: Path) -> None:
    rows = table(8)
    parts = {"train": rows.select(range(5)), "test": rows.select(range(5, 8))}
    datasets.DatasetDict(parts).save_to_disk(root / "table")


def _save_arrow(root: Path) -> None:
    table(8).save_to_disk(root / "table")
    next((root / "table").glob("*.arrow")).rename(root / "table.arrow")
    shutil.rmtree(root / "table")


def _made_composites(root: Path) -> None:
    write_pictures(root)
    composites(root, positions=1, cache_dir=str(root / "cache"))


def _decoded(root: Path) -> Decoded:
    options = {"root": str(root / "files"), "size": 32}
    return Decoded(_open_table_folders(root / "files", size=32), "folders", options, 1.0, str(root / "cache"))


def _make_decoded(root: Path) -> None:
    _table_folders(root / "files")
    _read(_decoded, root)


def _statistics(root: Path) -> Found:
    os.environ["CNNLIB_CACHE"] = str((root / "cache").absolute())
    dataset = {"name": "folders", "root": str(root / "files"), "inputs": {"image": "photo"}, "size": 16}
    dataset |= {"targets": {"mask": "npz"}, "normalize": "auto"}
    parts = {"model": "resunet", "optimizer": "adamw", "training": {"epochs": 1}}
    suite = parse_suite({"dataset": dataset, "tasks": {"mask": {}}, **parts})
    config = suite.experiments["suite"]
    statistics = training_statistics(config, open_data(config, 0), 0)
    return {"statistics": {key: np.array(value, np.float64) for key, value in statistics._asdict().items()}}


def _make_statistics(root: Path) -> None:
    _table_folders(root / "files")
    _statistics(root)


def _video(root: Path) -> Found:
    found = {}
    for path in sorted(root.glob("dot.*")):
        rate = float(frame_rate(path))
        assert 0 < rate < 1e9
        for index, picture in read_frames(path):
            found[f"{path.name} {index}"] = {"image": np.asarray(picture)}
    assert found or not list(root.glob("dot.*"))
    return found


# What is read


def _read(open_source: Callable[[Path], DataSource], root: Path) -> Found:
    """All samples, as training would use them: what ``check`` accepts is never refused later."""
    data = open_source(root)
    if hasattr(data, "check"):
        data.check()
    try:
        return {sample["name"]: _arrays(sample) for sample in _samples(data)}
    except (CnnlibError, OSError) as error:
        raise AssertionError(f"refused after check: {error}") from error


def _samples(data: DataSource) -> list[Sample]:
    tasks = build_tasks({key: {} for key in data.targets}, data.targets)
    found = []
    for part in PARTS:
        split = data.split(part)
        for index in range(len(split)):
            sample = split[index]
            image = sample["image"]
            assert image.shape[0] == sum(data.inputs.values())
            assert data.size in (None, *image.shape[1:])
            assert image.isfinite().all()
            assert 0 <= image.min() <= image.max() <= 1
            assert set(split.labels(index)) == {key for key in data.targets if key in sample}
            for key in split.labels(index):
                target = tasks[key].check(sample[key], tuple(image.shape[1:]))
                assert tasks[key].valid_values(target).isfinite().all()
            found.append(sample)
    assert len({sample["name"] for sample in found}) == len(found)
    return found


def _arrays(sample: Sample) -> dict[str, np.ndarray]:
    found = {}
    for key, value in sample.items():
        if isinstance(value, Target):
            valid = np.ones(value.value.shape, bool) if value.valid is None else value.valid.numpy()
            found |= {key: value.value.numpy(), f"{key} valid": valid}
        elif key != "name":
            found[key] = np.asarray(value)
    return found


KINDS: dict[str, Kind] = {
    "shards": Kind(
        EXAMPLES["shards"],
        partial(_read, lambda root: Shards(str(root / "shards"))),
        ("shards/*",),
        (".tar", ".npz"),
    ),
    "shards without an index": Kind(
        lambda root: (EXAMPLES["shards"](root), [each.unlink() for each in root.glob("shards/*.npz")]),
        partial(_read, lambda root: Shards(str(root / "shards"))),
        ("shards/*.tar",),
        pictures_checksummed=True,
    ),
    "hugging_face saved": Kind(
        _save_table, partial(_read, partial(_open_table, name="table")), pictures_checksummed=True
    ),
    "hugging_face splits": Kind(
        _save_splits, partial(_read, partial(_open_table, name="table")), pictures_checksummed=True
    ),
    "hugging_face arrow": Kind(
        _save_arrow, partial(_read, partial(_open_table, name="table.arrow")), pictures_checksummed=True
    ),
    "hugging_face parquet": Kind(
        lambda root: table(8).to_parquet(root / "table.parquet"),
        partial(_read, partial(_open_table, name="table.parquet")),
        pictures_checksummed=True,
    ),
    "nyuv2": Kind(EXAMPLES["nyuv2"], partial(_read, lambda root: NYUv2(str(root), val=0.3))),
    "cityscapes": Kind(
        EXAMPLES["cityscapes"], partial(_read, lambda root: Cityscapes(str(root), classes=19, val=0.3))
    ),
    "folders": Kind(_table_folders, partial(_read, _open_table_folders), checksummed=(".png", ".npz")),
    "fg_bg": Kind(_listed_fg_bg, partial(_read, _open_fg_bg), checksummed=(".png",)),
    "composite": Kind(
        write_pictures,
        partial(_read, partial(composites, positions=1)),
        checksummed=(".png",),
    ),
    "composite cache": Kind(
        _made_composites, partial(_read, partial(composites, positions=1)), ("cache/**/*",), (".npy", ".json")
    ),
    "decoded cache": Kind(
        _make_decoded, partial(_read, _decoded), ("cache/**/*",), (".npy", ".json"), in_place=True
    ),
    "statistics cache": Kind(
        _make_statistics, _statistics, ("cache/statistics/*",), (".json",), in_place=True
    ),
    "video": Kind(
        lambda root: [write_video(root / f"dot.{ending}") for ending in ("mp4", "mov", "avi", "mkv")], _video
    ),
}


class DataSets:
    """A part of ``python -m tests.fuzz``: a case is a data set of which one file was damaged."""

    def prepare(self, folder: Path) -> None:
        self.folder = folder
        # In other processes: one that has threads, as Arrow's, cannot be forked.
        with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
            self.good = {name: pool.apply(_good, (name, folder / name)) for name in KINDS}

    def case(self, index: int, rng: random.Random) -> Case:
        name = list(KINDS)[index % len(KINDS)]
        files = KINDS[name].files(self.folder / name)
        number = rng.randrange(len(files))
        damages = damages_of(files[number])
        damage = rng.choice(damages)
        return Case(f"{files[number]} {damage.__name__}", name, partial(self._try, name, number, damage, rng))

    def _try(self, name: str, number: int, damage: Damage, rng: random.Random) -> str:
        os.environ["CNNLIB_CACHE"] = str(Path("cache").absolute())
        root, kind, good = Path(name), KINDS[name], self.good[name]
        if kind.in_place:
            root.mkdir()
            kind.make(root)
        else:
            shutil.copytree(self.folder / name, root)
        files = [root / each for each in kind.files(root)]
        file = files[number]
        damage(file, files, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = kind.read(root)
        if damage in CORRUPTIONS and file.suffix in kind.checksummed:
            assert _same(found, good), "a damaged file was accepted"
        elif damage in CORRUPTIONS and kind.pictures_checksummed:
            pictures = [each["image"] for each in good.values()]
            assert all(
                any(np.array_equal(each["image"], picture) for picture in pictures) for each in found.values()
            ), "a damaged picture was accepted"
        return "read as before" if _same(found, good) else "read otherwise"


def _good(name: str, folder: Path) -> Found:
    folder.mkdir()
    os.environ["CNNLIB_CACHE"] = str(folder.parent / "cache of good ones")
    os.chdir(folder.parent)
    KINDS[name].make(Path(name))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KINDS[name].read(Path(name))


def _same(one: Found, other: Found) -> bool:
    return one.keys() == other.keys() and all(
        values.keys() == other[name].keys()
        and all(np.array_equal(array, other[name][key]) for key, array in values.items())
        for name, values in one.items()
    )
