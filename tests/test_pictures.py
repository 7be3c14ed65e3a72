"""Pictures that somebody else made are opened in one place, which runs no program and has a limit."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset, Features
from datasets import Image as ImageColumn
from PIL import EpsImagePlugin, Image, ImageFile

from cnnlib.datasets import HuggingFace
from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.datasets.shards.members import SampleCodec
from cnnlib.pictures import MAX_PIXELS, open_picture
from cnnlib.reporting.saved_predictions import SavedPredictions
from cnnlib.tasks.saved import DataDescription
from cnnlib.types import CnnlibError, TargetInfo
from tests.datasets.pictures import photo, samples

ROOT = Path(__file__).parent.parent


def test_one_place_opens_pictures() -> None:
    files = [path for part in ("cnnlib", "tools", "experiments") for path in (ROOT / part).rglob("*.py")]
    assert [path.name for path in files if "Image.open(" in path.read_text()] == ["pictures.py"]


def _looked_at(folder: Path, content: bytes) -> None:
    path = folder / "a.jpg"
    path.write_bytes(content)
    assert Fingerprints().perceptual([path]) == [None]


def _of_a_run(folder: Path, content: bytes) -> None:
    (folder / "mask").mkdir()
    (folder / "mask" / "a.png").write_bytes(content)
    predictions = SavedPredictions(folder)
    assert predictions.read("mask", "a") is None
    assert "mask/a.png: cannot be read" in predictions.errors[0]


def _of_a_table(folder: Path, content: bytes) -> None:
    rows = [{"photo": {"bytes": content, "path": None}, "label": 0} for _ in range(4)]
    features = Features({"photo": ImageColumn(), "label": Dataset.from_list(rows).features["label"]})
    Dataset.from_list(rows, features=features).to_parquet(folder / "x.parquet")
    targets = {"label": {"column": "label", "names": ["a", "b"]}}
    with pytest.raises(CnnlibError, match=r"row \d: cannot be read"):
        samples(HuggingFace(str(folder / "x.parquet"), {"image": "photo"}, targets))


def _of_a_shard(folder: Path, content: bytes) -> None:
    codec = SampleCodec(DataDescription({"image": 3}, {"mask": TargetInfo("mask")}, None, "stretch"))
    about = b'{"name": "a", "targets": {}}'
    plain = io.BytesIO()
    Image.fromarray(photo(0)).save(plain, "PNG")
    for members in (
        {"input.image.png": content},
        {"input.image.png": plain.getvalue(), "target.mask.png": content},
    ):
        with pytest.raises((OSError, ValueError)):
            codec.decode({"json": about, **members})


PLACES = [_looked_at, _of_a_run, _of_a_table, _of_a_shard]


@pytest.mark.parametrize("place", PLACES)
def test_no_picture_runs_ghostscript(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[Path, bytes], None]
) -> None:
    ran: list[int] = []

    def run(*_: object, **__: object) -> object:
        ran.append(1)
        raise OSError("it ran")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    program = io.BytesIO()
    Image.fromarray(photo(0)).save(program, "EPS")
    place(tmp_path, program.getvalue())
    assert not ran


def _claims(width: int, height: int) -> bytes:
    """A PNG that says that it is so large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [b"IHDR" + header, b"IDAT" + zlib.compress(bytes(100)), b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


@pytest.mark.parametrize("place", PLACES)
def test_a_picture_that_claims_too_much_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Callable[[Path, bytes], None]
) -> None:
    decoded: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def noted(self: ImageFile.ImageFile) -> object:
        if self.width * self.height > MAX_PIXELS:
            decoded.append(self.size)
        return load(self)

    # Pillow's own limit only warns until twice as many.
    monkeypatch.setattr(ImageFile.ImageFile, "load", noted)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    place(tmp_path, _claims(9500, 9500))
    assert not decoded


def test_the_limit_is_that_of_the_caller() -> None:
    with pytest.raises(ValueError, match="20 x 30 pixels; at most 599 are read"):
        open_picture(io.BytesIO(_claims(20, 30)), 599)
    assert open_picture(io.BytesIO(_claims(20, 30)), 600).size == (20, 30)
