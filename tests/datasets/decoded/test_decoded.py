"""Data sets that are decoded once: the same samples, no file read again, and no more room than is allowed."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.assembly import open_data
from cnnlib.config import parse_suite
from cnnlib.datasets import Scenes, file_checks, file_samples
from cnnlib.datasets.decoded import Decoded
from cnnlib.datasets.file_samples import FileSamples
from cnnlib.datasets.file_states import files_digest
from cnnlib.datasets.image_files import ImageFileError
from cnnlib.types import CnnlibError, DataSource, Sample, SampleSource, Target
from tests.datasets.pictures import PARTS, disc, photo, ramp, save
from tests.datasets.test_contract import EXAMPLES
from tools.cache import main as cache_tool


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def decoded(source: DataSource, root: Path, limit: float = 1.0) -> Decoded:
    return Decoded(source, "folders", {"root": str(root), "size": 16}, limit)


@pytest.mark.parametrize("name", ["folders", "keypoints", "boxes", "label_studio"])
def test_samples_are_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    source = EXAMPLES[name](tmp_path / "files")
    again = decoded(source, tmp_path / "files")
    assert (again.inputs, again.targets, again.size) == (source.inputs, source.targets, source.size)
    for part in PARTS:
        plain, stored = source.split(part), again.split(part)
        assert len(plain) == len(stored)
        for index in range(len(plain)):
            one, other = plain[index], stored[index]
            assert one.keys() == other.keys()
            assert set(stored.labels(index)) == set(plain.labels(index))
            assert stored.group(index) == plain.group(index)
            assert stored.label_class(index) == plain.label_class(index)
            for key, value in one.items():
                if isinstance(value, Target):
                    assert torch.equal(other[key].value, value.value)
                    assert other[key].value.dtype == value.value.dtype
                    if value.valid is None:
                        assert other[key].valid is None
                    else:
                        assert torch.equal(other[key].valid, value.valid)
                elif key == "image":
                    assert torch.equal(other[key], value)
                else:
                    assert other[key] == value
        with pytest.raises(IndexError):
            stored[len(stored)]


def files(root: Path, count: int = 12) -> Path:
    for number in range(count):
        save(photo(number, 48, 48), root / "image" / f"{number:03d}.png")
        save(disc(48, 48), root / "mask" / f"{number:03d}.png")
        save(ramp(48, 48), root / "depth" / f"{number:03d}.png")
    return root


def suite(root: Path, **options: object):
    dataset = {"name": "folders", "root": str(root), "inputs": {"image": "image"}, "size": 48}
    dataset |= {"targets": {"mask": "mask", "depth": "depth"}, "val": 0.2, "test": 0.2, **options}
    parts = {"model": "resunet", "optimizer": "adamw", "training": {"epochs": 1}}
    return parse_suite({"dataset": dataset, "tasks": {"mask": {}, "depth": {}}, **parts}).experiments["suite"]


def test_a_second_run_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = suite(files(tmp_path / "files"), cache=True)
    first = open_data(config, 0)
    expected = [first.train[index] for index in range(len(first.train))]

    def forbidden(self: FileSamples, index: int) -> None:
        raise AssertionError(f"sample {index} was decoded again")

    monkeypatch.setattr(FileSamples, "__getitem__", forbidden)
    second = open_data(config, 1)
    second.source.check()
    for index, sample in enumerate(expected):
        again = second.train[index]
        assert torch.equal(again["image"], sample["image"])
        assert torch.equal(again["depth"].value, sample["depth"].value)


def test_a_changed_file_or_option_is_decoded_again(tmp_path: Path) -> None:
    root = files(tmp_path / "files")
    before = open_data(suite(root, cache=True), 0)
    name = before.train[0]["name"]
    path = root / "image" / f"{name}.png"
    save(photo(999, 48, 48), path)
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns + 1_000_000))
    after = open_data(suite(root, cache=True), 0)
    assert not torch.equal(after.train[0]["image"], before.train[0]["image"])
    smaller = open_data(suite(root, cache=True, size=24), 0)
    assert smaller.train[0]["image"].shape[-1] == 24


def replaced(path: Path, content: bytes) -> None:
    """As ``cp -p`` of a file of the same size and time does."""
    status = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)


@pytest.mark.parametrize("kind", ["in place", "linked folder", "beside the root"])
def test_a_file_that_keeps_its_size_and_time_is_decoded_again(tmp_path: Path, kind: str) -> None:
    root = files(tmp_path / "files")
    for path in (root / "image").iterdir():
        array = photo(int(path.stem), 48, 48)
        path.unlink()
        Image.fromarray(array).save(path.with_suffix(".bmp"))
    folder, options = root / "image", {}
    if kind == "linked folder":
        (root / "image").rename(tmp_path / "elsewhere")
        folder = tmp_path / "elsewhere"
        (root / "image").symlink_to(folder)
    elif kind == "beside the root":
        (root / "image").rename(tmp_path / "elsewhere")
        folder, options = tmp_path / "elsewhere", {"inputs": {"image": "../elsewhere"}}
    before = open_data(suite(root, cache=True, **options), 0)
    path = folder / f"{before.train[0]['name']}.bmp"
    inverse = io.BytesIO()
    Image.fromarray(255 - np.array(Image.open(path))).save(inverse, "BMP")
    replaced(path, inverse.getvalue())
    after = open_data(suite(root, cache=True, **options), 0)
    assert torch.allclose(after.train[0]["image"], 1 - before.train[0]["image"])


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    root = files(tmp_path / "files", 3)
    before = files_digest({"root": str(root)})
    (root / "image" / "again").symlink_to(root)
    assert files_digest({"root": str(root)}) == before


def test_what_is_skipped_is_not_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the same files another version of a reader may refuse other ones: as many, but not the same."""
    root, refused = files(tmp_path / "files"), ["none"]
    readable = file_samples.read_color
    train = open_data(suite(root), 0).train

    def read(path: Path, max_pixels: int) -> Image.Image:
        if path.stem in refused:
            raise ImageFileError("not readable as an image", path, "no reason")
        return readable(path, max_pixels)

    for module in (file_samples, file_checks):
        monkeypatch.setattr(module, "read_color", read)
    config = suite(root, cache=True, on_error="skip", max_skipped=0.2)
    for name in (train[0]["name"], train[1]["name"]):
        refused[:] = [name]
        data = open_data(config, 0)
        names = {split[i]["name"] for split in (data.train, data.val, data.test) for i in range(len(split))}
        assert names == {f"{number:03d}" for number in range(12)} - {name}


class Maps:
    """A hundred samples, of which number 1 has ``odd``, and the others ``usual``."""

    inputs, size = {"image": 3}, 48

    def __init__(self, usual: dict[str, object], odd: dict[str, object]) -> None:
        self.targets = dict.fromkeys(["depth", "semantic", "mask"])
        self.usual, self.odd = ({"image": torch.zeros(3, 48, 48)} | each for each in (usual, odd))

    def split(self, part: str) -> list[dict[str, object]]:
        return [{**(self.odd if number == 1 else self.usual), "name": str(number)} for number in range(100)]


PLANE = torch.zeros(1, 48, 48)
HALF_KNOWN = torch.arange(48).expand(1, 48, 48) < 20


@pytest.mark.parametrize(
    ("usual", "odd"),
    [
        ({"semantic": Target(PLANE.long())}, {"semantic": Target(PLANE.long() + 70001)}),
        ({"semantic": Target(PLANE.long())}, {"semantic": Target(PLANE.long() + 2049)}),
        ({"depth": Target(PLANE + 0.5)}, {"depth": Target(PLANE + 70000.25)}),
        ({"depth": Target(PLANE + 0.123456)}, {"depth": Target(PLANE + 70000.25)}),
        ({"mask": Target(PLANE)}, {"mask": Target(PLANE + 1, HALF_KNOWN)}),
        ({"mask": Target(PLANE)}, {"mask": Target(PLANE), "depth": Target(PLANE + 2, HALF_KNOWN)}),
        ({}, {"image": torch.full((3, 48, 48), 0.1234)}),
    ],
    ids=["classes", "classes that float16 rounds", "far", "far, halved", "masked", "rare", "image"],
)
def test_a_sample_that_is_unlike_those_probed_comes_back(
    tmp_path: Path, usual: dict[str, object], odd: dict[str, object]
) -> None:
    (tmp_path / "root").mkdir()
    for _ in range(2):
        split = decoded(Maps(usual, odd), tmp_path / "root").split("train")
        for number, expected in ((1, odd), (2, usual)):
            sample = split[number]
            assert torch.equal(sample["image"], expected.get("image", torch.zeros(3, 48, 48)))
            for key in ("depth", "semantic", "mask"):
                assert (key in sample) == (key in expected)
                if key in expected:
                    value, valid = expected[key]
                    assert torch.allclose(sample[key].value, value, rtol=5e-4, atol=0)
                    assert key != "semantic" or torch.equal(sample[key].value, value)
                    assert valid is None or torch.equal(sample[key].valid, valid)
                    assert valid is not None or sample[key].valid is None or sample[key].valid.all()


def test_a_name_that_would_be_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    source = Maps({"mask": Target(PLANE)}, {"mask": Target(PLANE), "group": "x" * 251})
    with pytest.raises(CnnlibError, match="1: its group has 251 bytes; the cache takes 250"):
        decoded(source, tmp_path / "root").split("train")


def test_a_broken_file_is_told_before_anything_is_stored(tmp_path: Path, own_cache: Path) -> None:
    root = files(tmp_path / "files")
    (root / "image" / "003.png").write_bytes(b"no image")
    with pytest.raises(CnnlibError, match=r"not readable as an image: 1\n.*003.png"):
        open_data(suite(root, cache=True), 0)
    assert not list(own_cache.rglob("*.npy"))


@pytest.mark.parametrize(
    "layout",
    [
        "{",
        "[]",
        '{"image": [3, 16, 16], "levels": true, "values": [], "valid": {}}',
        '{"image": [3, 16, 16], "levels": true, "values": {"mask": {"shape": [1, 16, 16], "own": "<f4", '
        '"stored": "no type"}}, "valid": {"mask": null}}',
        '{"image": ["a"], "levels": true, "values": {}, "valid": {}}',
    ],
)
def test_a_damaged_layout_is_found_anew(tmp_path: Path, own_cache: Path, layout: str) -> None:
    root = files(tmp_path / "files")
    expected = open_data(suite(root, cache=True), 0).train[0]
    manifest = next(own_cache.glob("decoded/*train*/manifest.json"))
    content = json.loads(manifest.read_text())
    content["made_from"]["layout"] = layout
    manifest.write_text(json.dumps(content))
    (manifest.parent / "layout.json").write_text(layout)
    found = open_data(suite(root, cache=True), 0).train[0]
    assert torch.equal(found["image"], expected["image"])
    assert torch.equal(found["mask"].value, expected["mask"].value)


def test_what_is_too_large_is_refused_before_it_is_made(tmp_path: Path, own_cache: Path) -> None:
    with pytest.raises(
        CnnlibError, match=r"its train split takes .* more than cache_limit, 1e-06 GiB: raise it"
    ):
        open_data(suite(files(tmp_path / "files"), cache=True, cache_limit=1e-6), 0)
    assert not list(own_cache.rglob("*.npy"))


def test_the_size_is_told_before_it_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_data(suite(files(tmp_path / "files"), cache=True), 0)
    assert "decoding 8 train samples once, 0.1 MiB, into" in capsys.readouterr().err


def test_what_is_not_read_from_files_needs_no_cache() -> None:
    with pytest.raises(CnnlibError, match="'scenes' is not read from files: leave cache out"):
        Decoded(Scenes(size=16), "scenes", {"size": 16}, 1.0)


def test_images_of_many_sizes_are_refused(tmp_path: Path) -> None:
    source = EXAMPLES["fg_bg"](tmp_path / "files")
    with pytest.raises(CnnlibError, match="its images have no one size; set size"):
        Decoded(source, "fg_bg", {"root": str(tmp_path / "files")}, 1.0)


def test_the_fingerprint_is_of_all_files_that_options_lead_to(tmp_path: Path) -> None:
    root = files(tmp_path / "files", 3)
    table = tmp_path / "table.csv"
    table.write_text("a")
    options = {"root": str(root), "nested": {"files": [str(table)]}, "size": 3, "other": "no path\0at all"}
    first = files_digest(options)
    assert files_digest(options) == first
    table.write_text("ab")
    second = files_digest(options)
    (root / "mask" / "000.png").unlink()
    third = files_digest(options)
    assert len({first, second, third}) == 3
    assert files_digest({"size": 3, "name": "nothing"}) is None


def test_the_cache_can_be_seen_and_cleaned(
    tmp_path: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_data(suite(files(tmp_path / "files"), cache=True), 0)
    entries = [path.parent for path in own_cache.rglob("manifest.json")]
    assert cache_tool([]) == 0
    shown = capsys.readouterr().out
    assert f"{own_cache}: 3 entries" in shown
    assert all(entry.name in shown for entry in entries)
    assert cache_tool(["--remove-older", "1"]) == 0
    assert "removed 0" in capsys.readouterr().out
    long_ago = time.time() - 40 * 24 * 3600
    for path in entries[0].iterdir():
        os.utime(path, (long_ago, long_ago))
    assert cache_tool(["--remove-older", "30"]) == 0
    assert "removed 1" in capsys.readouterr().out
    assert not entries[0].exists()
    assert np.all([entry.exists() for entry in entries[1:]])
    assert cache_tool(["--cache-dir", str(tmp_path / "nothing")]) == 0
    assert "0 entries" in capsys.readouterr().out


def _assert_same(one: object, other: object) -> None:
    for part in ("train", "val", "test"):
        for first, second in zip(getattr(one, part), getattr(other, part), strict=True):
            assert first.keys() == second.keys()
            assert torch.equal(first["image"], second["image"])
            assert first["name"] == second["name"]
            for key in ("mask", "depth"):
                assert first[key].value.dtype == second[key].value.dtype
                assert torch.equal(first[key].value, second[key].value)


@pytest.mark.parametrize("name", ["image", "name", "mask.value", "depth.value", "depth.there", "checksum"])
def test_a_changed_byte_of_the_cache_is_not_believed(tmp_path: Path, own_cache: Path, name: str) -> None:
    config = suite(files(tmp_path / "files"), cache=True)
    good = open_data(config, 0)
    good = replace(good, **{part: list(_all(getattr(good, part))) for part in ("train", "val", "test")})
    (folder,) = (own_cache / "decoded").glob("folders-train-*")
    content = bytearray((folder / f"{name}.npy").read_bytes())
    content[130] ^= 1
    (folder / f"{name}.npy").write_bytes(content)
    again = open_data(config, 0)
    with pytest.warns(UserWarning, match=r"folders-train-\w+ is damaged: samples are decoded again"):
        again = replace(
            again, **{part: list(_all(getattr(again, part))) for part in ("train", "val", "test")}
        )
    _assert_same(good, again)


def _all(samples: SampleSource) -> Iterator[Sample]:
    return (samples[index] for index in range(len(samples)))


@pytest.mark.parametrize(
    ("old", "new"),
    [('"own": "<f4"', '"own": "<f8"'), ('"shape": [\n        1,', '"shape": [\n        2,')],
    ids=["dtype", "shape"],
)
def test_a_changed_layout_is_not_believed(tmp_path: Path, own_cache: Path, old: str, new: str) -> None:
    config = suite(files(tmp_path / "files"), cache=True)
    good = open_data(config, 0)
    (folder,) = (own_cache / "decoded").glob("folders-train-*")
    text = (folder / "layout.json").read_text()
    assert old in text
    (folder / "layout.json").write_text(text.replace(old, new))
    again = open_data(config, 0)
    good, again = (
        replace(data, **{part: list(_all(getattr(data, part))) for part in ("train", "val", "test")})
        for data in (good, again)
    )
    _assert_same(good, again)
