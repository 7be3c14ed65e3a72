"""Hashes of what pictures show: copies are near, other photographs are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy.fft import dctn
from sklearn.datasets import load_sample_images

from cnnlib.datasets import fingerprints
from cnnlib.datasets.fingerprints import Fingerprints, PerceptualHash, perceptual_hash
from cnnlib.datasets.leaks import NEAR
from tests.datasets.pictures import photo, save, truncate

SIDE = 210


@pytest.fixture(scope="module")
def photos() -> list[Image.Image]:
    """Twelve parts of two photographs."""
    return [
        Image.fromarray(picture[top : top + SIDE, left : left + SIDE])
        for picture in load_sample_images().images
        for top in (0, SIDE)
        for left in (0, SIDE, 2 * SIDE)
    ]


def distance(one: PerceptualHash | None, other: PerceptualHash | None) -> int:
    assert one is not None
    assert other is not None
    return (one.plain ^ other.plain).bit_count()


def compressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file)


@pytest.mark.parametrize(
    "copy",
    [
        compressed,
        lambda picture: picture.resize((SIDE // 2, SIDE // 2)),
        lambda picture: picture.resize((2 * SIDE, SIDE)),
        lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
        lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
        lambda picture: ImageEnhance.Contrast(picture).enhance(1.2),
        lambda picture: picture.convert("L"),
        lambda picture: compressed(picture.resize((SIDE // 2, SIDE // 2))),
    ],
    ids=[
        "compressed",
        "smaller",
        "wider",
        "brighter",
        "darker",
        "contrast",
        "grey",
        "smaller and compressed",
    ],
)
def test_copies_are_near(photos: list[Image.Image], copy: Callable[[Image.Image], Image.Image]) -> None:
    for picture in photos:
        assert distance(perceptual_hash(picture), perceptual_hash(copy(picture))) <= NEAR


def test_the_mirrored_hash_is_that_of_the_mirrored_picture(photos: list[Image.Image]) -> None:
    for picture in photos:
        ours, other = perceptual_hash(picture), perceptual_hash(ImageOps.mirror(picture))
        for one, two in ((ours.plain, other.mirrored), (ours.mirrored, other.plain)):
            assert (one ^ two).bit_count() <= 2  # the way to 32 x 32 pixels rounds


def test_other_photographs_are_not_near(photos: list[Image.Image]) -> None:
    hashes = [perceptual_hash(picture) for picture in photos]
    for one, other in combinations(hashes, 2):
        assert min((each ^ other.plain).bit_count() for each in one) > NEAR


def test_the_waves_are_those_of_scipys_cosine_transform() -> None:
    gray = np.random.default_rng(0).uniform(0, 255, (32, 32))
    ours = fingerprints._WAVES @ gray @ fingerprints._WAVES.T
    np.testing.assert_allclose(ours, dctn(gray, type=2)[:8, :8] / 4, rtol=1e-9)


def test_half_of_the_63_bits_are_set(photos: list[Image.Image]) -> None:
    for picture in photos:
        for bits in perceptual_hash(picture):
            assert bits.bit_count() == 31
            assert bits < 2**63


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_picture_of_one_colour_shows_nothing(level: int) -> None:
    assert perceptual_hash(Image.new("RGB", (50, 40), (level, level, level))) is None


def test_files_are_read_once_and_broken_ones_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "a.png", tmp_path / "b.png"
    save(photo(1, 90, 120), whole)
    save(photo(2, 90, 120), broken)
    truncate(broken)
    known = Fingerprints()
    assert known.perceptual([whole, broken, tmp_path / "none.png"])[1:] == [None, None]
    assert known.perceptual([whole]) == [perceptual_hash(Image.fromarray(photo(1, 90, 120)))]
    first = known.digests([whole, broken, tmp_path / "none.png"])
    assert first[2] == ""
    assert len(set(first)) == 3
    whole.unlink()
    assert known.digests([whole]) == first[:1]
    assert known.perceptual([whole]) != [None]
