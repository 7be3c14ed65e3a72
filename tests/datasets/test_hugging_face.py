"""Tables of Hugging Face's ``datasets``: what is read of them, and what is said of those that do not fit."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, Features
from datasets import Image as ImageColumn
from PIL import Image

from cnnlib.datasets import Folders, HuggingFace
from cnnlib.types import CnnlibError
from tests.datasets.hugging_face_tables import FEATURES, TARGETS, rows, table, write_table
from tests.datasets.pictures import HEIGHT, PARTS, WIDTH, disc, photo, ramp, samples
from tests.time_limit import limited


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hugging_face") / "table"
    write_table(path, 9)
    return path


def opened(path: Path, **options: Any) -> HuggingFace:
    given = {"inputs": {"image": "photo"}, "targets": TARGETS, "name_column": "id"} | options
    return HuggingFace(str(path), **given)


def test_what_is_read_is_what_was_written(saved: Path) -> None:
    found = samples(opened(saved))
    assert [sample["name"] for sample in found] == [f"x{number}" for number in range(9)]
    for number, sample in enumerate(found):
        assert torch.equal(sample["image"], torch.from_numpy(photo(number)).permute(2, 0, 1) / 255)
        assert ("mask" in sample) == (number % 3 != 1)
        if "mask" in sample:
            assert np.array_equal(sample["mask"].value[0], disc() // 255)
        depth = sample["far"]
        assert np.allclose(depth.value[0], ramp() * 0.02)
        assert np.array_equal(depth.valid[0], ramp() > 0)
        assert np.array_equal(sample["semantic"].value[0], disc() // 255)
        assert sample["label"].value == number % 2
        assert sample["kinds"].value.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 1]][number % 3]
        assert sample["points"].valid.tolist() == [True, number > 0]
        assert sample["points"].value[0].tolist() == [3 + number, 4]
        assert sample["box"].value.tolist() == [1, 2, 21, 12]


def test_what_the_table_says_of_classes_is_known(saved: Path) -> None:
    data = opened(saved)
    assert data.targets["label"].names == ("cat", "dog")
    assert not data.targets["label"].multi_label
    assert data.targets["kinds"].names == ("big", "dark", "wet")
    assert data.targets["kinds"].multi_label
    split = data.split("train")
    assert [split.label_class(index) for index in range(len(split))] == [
        data.targets["label"].names[split[index]["label"].value] for index in range(len(split))
    ]


def test_places_follow_the_picture_to_another_size(saved: Path) -> None:
    data = opened(saved, size=2 * WIDTH, fit="pad", targets={"box": "frame", "mask": "cutout"})
    for sample in samples(data):
        assert sample["image"].shape == (3, 2 * WIDTH, 2 * WIDTH)
        assert sample["box"].value.tolist() == [2, 4, 42, 24]
        if "mask" in sample:
            assert sample["mask"].valid.sum() == 2 * HEIGHT * 2 * WIDTH


@pytest.mark.parametrize("ending", ["parquet", "arrow", "folder"])
def test_other_files_hold_the_same(ending: str, saved: Path, tmp_path: Path) -> None:
    expected = samples(opened(saved, targets={"mask": "cutout"}))
    if ending == "arrow":
        path = next(saved.glob("*.arrow"))
    else:
        path = tmp_path / "x.parquet"
        table(9).to_parquet(path)
        path = tmp_path if ending == "folder" else path
    found = samples(opened(path, targets={"mask": "cutout"}))
    assert [sample["name"] for sample in found] == [sample["name"] for sample in expected]
    assert all(torch.equal(one["image"], other["image"]) for one, other in zip(found, expected, strict=True))


def test_splits_are_the_tables(tmp_path: Path) -> None:
    whole = table(12)
    parts = {
        "train": whole.select(range(7)),
        "validation": whole.select([8, 7]),
        "test": whole.select(range(9, 12)),
    }
    DatasetDict(parts).save_to_disk(tmp_path / "three")
    data = opened(tmp_path / "three")
    names = {part: [data.split(part)[i]["name"] for i in range(len(data.split(part)))] for part in PARTS}
    assert names["val"] == ["x8", "x7"]
    assert names["test"] == ["x9", "x10", "x11"]
    del parts["validation"]
    DatasetDict(parts).save_to_disk(tmp_path / "two")
    data = opened(tmp_path / "two", val=0.3, group_column="scene")
    assert len(data.split("test")) == 3
    assert len(data.split("train")) + len(data.split("val")) == 7
    groups = [{data.split(part).group(i) for i in range(len(data.split(part)))} for part in ("train", "val")]
    assert not groups[0] & groups[1]
    data = opened(tmp_path / "three", splits={"train": "test", "val": "train", "test": "validation"})
    assert [len(data.split(part)) for part in PARTS] == [3, 7, 2]
    for splits, message in (
        (
            {"train": "tain", "test": "test"},
            r"splits.train: there is no table 'tain' \(did you mean 'train'\?\)",
        ),
        ({"train": "train"}, "test is missing, and .* has train, validation, test"),
        ({"train": "train", "test": "train"}, "different tables"),
    ):
        with pytest.raises(CnnlibError, match=message):
            opened(tmp_path / "three", splits=splits)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"inputs": {"image": "foto"}},
            r"inputs.image: there is no column 'foto' \(did you mean 'photo'\?\)",
        ),
        (
            {"targets": {"mask": "cut_out"}},
            r"targets.mask: there is no column 'cut_out' \(did you mean 'cutout'",
        ),
        (
            {"targets": {"mask": {"kind": "mask"}}},
            r"targets.mask needs column, the name of a column; it has kind",
        ),
        ({"targets": {"mask": {"column": "cutout", "scal": 1}}}, r"targets.mask: it has no option 'scal'"),
        ({"targets": {"msk": "cutout"}}, r"no kind of target \(targets.msk\) is named 'msk' .*'mask'"),
        ({"targets": {"semantic": "parts"}}, r"targets.semantic: a semantic target needs the names"),
        ({"group_column": "scen"}, r"group_column: there is no column 'scen' \(did you mean 'scene'"),
        ({"name_column": "photo"}, r"row 0: column 'photo' must hold a text or an integer"),
        ({"fit": "pad"}, "fit: pad needs size"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], message: str, saved: Path) -> None:
    with pytest.raises(CnnlibError, match=message):
        opened(saved, **options)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"mask": "photo"}, r"row \d+, column 'photo': .*in colour, where grey levels are expected"),
        ({"mask": "id"}, r"column 'id': not usable as mask: expected a picture, or levels"),
        (
            {"label": {"column": "scene", "names": ["a", "b"]}},
            r"column 'scene': .*there are 2 classes; there is no index",
        ),
        (
            {"label": {"column": "id", "names": ["x0", "x11"]}},
            r"column 'id': .*no class is named 'x\d' \(did you mean",
        ),
        ({"box": "animal"}, r"column 'animal': not usable as box: expected 4 numbers; it has 1"),
        ({"box": "cutout"}, r"column 'cutout': not usable as box: "),
        (
            {"points": {"column": "frame", "names": ["nose"]}},
            r"column 'frame': .*expected 2 numbers; it has 4",
        ),
    ],
)
def test_columns_that_hold_something_else_are_named(
    targets: dict[str, Any], message: str, saved: Path
) -> None:
    with pytest.raises(CnnlibError, match=message):
        opened(saved, targets=targets).check()


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    broken = table(6).with_format("arrow")[:].to_pylist()
    broken[2]["photo"]["bytes"] = broken[2]["photo"]["bytes"][:60]
    broken[4]["photo"] = None
    Dataset.from_list(broken, features=table(1).features).save_to_disk(tmp_path / "broken")
    with pytest.raises(CnnlibError, match=r"samples that cannot be read: 2\n(?s:.*)") as caught:
        opened(tmp_path / "broken").check()
    assert "all, row 2: cannot be read" in str(caught.value)
    assert "all, row 4, column 'photo': expected a picture (a column of type Image); it holds nothing" in str(
        caught.value
    )


def test_a_picture_whose_checksum_is_wrong_is_named(tmp_path: Path) -> None:
    broken = table(6).with_format("arrow")[:].to_pylist()
    content = bytearray(broken[2]["photo"]["bytes"])
    content[content.index(b"IEND") - 5] ^= 1  # the last byte of the checksum of the pixels
    broken[2]["photo"]["bytes"] = bytes(content)
    Dataset.from_list(broken, features=table(1).features).save_to_disk(tmp_path / "broken")
    with pytest.raises(CnnlibError, match=r"all, row 2: .*the checksum of its IDAT chunk is wrong"):
        opened(tmp_path / "broken").check()


def png(bits: int, color: int, rows: np.ndarray) -> bytes:
    """Of 8 x 8 pixels, as bytes: Pillow writes few of these kinds."""
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", 8, 8, bits, color, 0, 0, 0)]
    chunks += [b"IDAT" + zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks
    )


def grays(bits: int) -> bytes:
    """Levels 0, 1, ..., again and again."""
    levels = np.arange(64).reshape(8, 8) % 2**bits
    if bits >= 8:
        return png(bits, 0, (levels * 1000 if bits == 16 else levels).astype(f">u{bits // 8}"))
    single = (levels[..., None] >> np.arange(bits)[::-1]) & 1
    return png(bits, 0, np.packbits(single.reshape(8, -1).astype(np.uint8), axis=1))


def colors_of_16_bits() -> bytes:
    return png(16, 2, (np.arange(192).reshape(8, 24) * 300).astype(">u2"))


def floats() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.linspace(0.5, 9, 64, dtype=np.float32).reshape(8, 8)).save(file, "TIFF")
    return file.getvalue()


def pages() -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(0)).save(file, "TIFF", save_all=True, append_images=[Image.fromarray(photo(1))])
    return file.getvalue()


def of_files(root: Path, picture: bytes, map_: bytes, target: dict[str, Any]) -> Folders:
    """Four samples alike."""
    for folder, content in (("images", picture), ("maps", map_)):
        (root / folder).mkdir()
        for name in "abcd":
            (root / folder / f"{name}.png").write_bytes(content)
    return Folders(str(root), {"image": "images"}, {"it": target | {"folder": "maps"}}, val=0.25, test=0.25)


def of_cells(root: Path, picture: bytes, map_: bytes, target: dict[str, Any], **modes: str) -> HuggingFace:
    """The same in a table."""
    cells = [{key: {"bytes": each, "path": None} for key, each in (("image", picture), ("map", map_))}] * 4
    features = Features({key: ImageColumn(mode=modes.get(key)) for key in ("image", "map")})
    Dataset.from_list(cells, features=features).to_parquet(root / "x.parquet")
    return opened(
        root / "x.parquet",
        inputs={"image": "image"},
        targets={"it": target | {"column": "map"}},
        name_column=None,
    )


CLASSES = {"kind": "semantic", "names": ["a", "b", "c", "d"]}
PLAIN = grays(8)
READ = {
    "classes of 1 bit": (grays(1), CLASSES),
    "classes of 2 bits": (grays(2), CLASSES),
    "lengths of 2 bits": (grays(2), {"kind": "depth", "scale": 1.0}),
    "lengths of floats": (floats(), {"kind": "depth"}),
}
REFUSED = {
    "classes in colours of 16 bits": (PLAIN, colors_of_16_bits(), CLASSES, "16 bits in several channels"),
    "lengths in colours of 16 bits": (
        PLAIN,
        colors_of_16_bits(),
        {"kind": "depth"},
        "16 bits in several channels",
    ),
    "mask of floats": (PLAIN, floats(), {"kind": "mask"}, "floats, where levels are expected"),
    "picture of floats": (floats(), grays(1), {"kind": "mask"}, "it holds floats; store levels"),
    "pages": (pages(), grays(1), {"kind": "mask"}, "it has several pages or frames; store one"),
}


@pytest.mark.parametrize("key", READ)
def test_a_map_in_a_table_is_read_like_a_file(key: str, tmp_path: Path) -> None:
    map_, target = READ[key]
    expected = samples(of_files(tmp_path, PLAIN, map_, target))[0]["it"]
    found = samples(of_cells(tmp_path, PLAIN, map_, target))[0]["it"]
    assert torch.equal(found.value, expected.value)
    assert torch.equal(found.valid, expected.valid)


@pytest.mark.parametrize("key", REFUSED)
def test_a_picture_in_a_table_is_refused_like_a_file(key: str, tmp_path: Path) -> None:
    picture, map_, target, message = REFUSED[key]
    for data in (of_files, of_cells):
        with pytest.raises(CnnlibError, match=message):
            data(tmp_path, picture, map_, target).check()


def test_a_column_may_ask_for_a_mode_but_does_not_clip_16_bits(tmp_path: Path) -> None:
    color = io.BytesIO()
    Image.fromarray(photo(0)[:8, :8]).save(color, "PNG")
    found = samples(of_cells(tmp_path, color.getvalue(), grays(1), {"kind": "mask"}, image="L"))[0]
    gray = np.array(Image.fromarray(photo(0)[:8, :8]).convert("L"))
    assert torch.equal(found["image"], torch.from_numpy(gray).expand(3, 8, 8) / 255)
    found = samples(of_cells(tmp_path, grays(16), grays(1), {"kind": "mask"}, image="RGB"))[0]
    expected = torch.arange(64).view(8, 8) * 1000 // 257
    assert torch.equal(found["image"], expected.expand(3, 8, 8) / 255)


def test_a_picture_with_more_pixels_than_are_read_is_named(saved: Path) -> None:
    with pytest.raises(CnnlibError, match=r"(?s)row 0: .*'photo'.*at most 767 are read.*raise max_pixels"):
        opened(saved, max_pixels=WIDTH * HEIGHT - 1).check()
    opened(saved, max_pixels=WIDTH * HEIGHT).check()


def test_a_map_of_classes_that_do_not_exist_is_named(tmp_path: Path) -> None:
    strange = [row | {"parts": (disc() // 85).tolist()} for row in rows(6)]
    Dataset.from_list(strange, features=table(1).features).save_to_disk(tmp_path / "strange")
    with pytest.raises(CnnlibError, match=r"column 'parts': not usable as semantic: classes are indices"):
        opened(tmp_path / "strange").check()


@pytest.mark.parametrize("stream", [None, 3])
def test_offsets_that_lead_out_of_the_file_are_told(stream: int | None, tmp_path: Path) -> None:
    """Arrow would read there, and the process would end."""
    Dataset.from_dict({"photo": ["one", "two", "three"]}).save_to_disk(tmp_path / "table")
    (path,) = (tmp_path / "table").glob("*.arrow")
    offsets = np.array([0, 3, 6, 11], "<i4").tobytes()
    assert path.read_bytes().count(offsets) == 1
    path.write_bytes(path.read_bytes().replace(offsets, np.array([0, 3, 2**30, 11], "<i4").tobytes()))
    with pytest.raises(CnnlibError, match="cannot be opened as a Hugging Face data set"):
        opened(tmp_path / "table", inputs={"image": "photo"}, targets={"mask": "photo"}, stream=stream)


def test_a_pipe_is_not_waited_for(saved: Path, tmp_path: Path) -> None:
    shutil.copytree(saved, tmp_path / "table")
    (path,) = (tmp_path / "table").glob("*.arrow")
    path.unlink()
    os.mkfifo(path)
    with limited(10), pytest.raises(CnnlibError, match=r"\.arrow: must be a regular file"):
        opened(tmp_path / "table")


def test_pictures_of_several_sizes_need_a_size(tmp_path: Path) -> None:
    several = rows(6)
    several[3]["photo"] = several[3]["photo"].resize((10, 10))
    Dataset.from_list(several, features=table(1).features).save_to_disk(tmp_path / "sizes")
    with pytest.raises(
        CnnlibError, match="row 3 is 10 x 10 pixels, others are 24 x 32; set size to resize all"
    ):
        opened(tmp_path / "sizes", targets={"label": "animal"}).check()
    opened(tmp_path / "sizes", targets={"label": "animal"}, size=12).check()


def test_what_cannot_be_opened_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    for path, message in (
        (tmp_path / "x.parquet", "cannot be opened"),
        (tmp_path / "nothing", "does not exist"),
    ):
        with pytest.raises(CnnlibError, match=message):
            opened(path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CnnlibError, match=r"pip install 'cnnlib\[huggingface\]'"):
        opened(tmp_path)


@pytest.mark.parametrize("place", ["x.parquet", ""])
def test_of_a_stream_the_first_rows_are_samples_like_others(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(40).to_parquet(tmp_path / "x.parquet", batch_size=8)
    decoded: list[int] = []
    monkeypatch.setattr(datasets.features.Image, "decode_example", lambda *_, **__: decoded.append(1))
    source = opened(tmp_path / place, stream=20)
    monkeypatch.undo()
    assert not decoded
    found = {sample["name"]: sample for sample in samples(pickle.loads(pickle.dumps(source)))}
    assert sorted(found) == sorted(f"x{number}" for number in range(20))
    for number in range(20):
        expected = torch.from_numpy(photo(number)).permute(2, 0, 1) / 255
        assert torch.equal(found[f"x{number}"]["image"], expected)
        assert ("mask" in found[f"x{number}"]) == (number % 3 != 1)


def streamed(count: int, read: list[int]) -> datasets.IterableDataset:
    """A stream of ``count`` rows, which notes the rows that are read of it."""

    def counted() -> Iterator[dict[str, Any]]:
        for number, row in enumerate(rows(count)):
            read.append(number)
            yield row

    return datasets.IterableDataset.from_generator(counted, features=FEATURES)


def test_of_a_stream_no_row_is_read_that_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[str, list[int]] = {"train": [], "test": [], "unlabelled": []}
    tables = {name: streamed(12, noted) for name, noted in read.items()}
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: tables)
    source = HuggingFace("somebody/pets", {"image": "photo"}, TARGETS, stream=5)
    assert read == {"train": [*range(5)], "test": [*range(5)], "unlabelled": []}
    assert [len(source.split(part)) for part in PARTS] == [4, 1, 5]
    samples(source)
    assert len(read["train"]) == 5
