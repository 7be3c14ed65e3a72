"""The embedded phones: the point against the pixels that show the phone, and the data set's own promises."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from cnnlib.datasets import Phones, phones
from cnnlib.datasets.phones import render_phones
from cnnlib.datasets.scenes import source
from cnnlib.datasets.scenes.layout import Scene
from cnnlib.datasets.scenes.phone import Patch
from cnnlib.datasets.scenes.phone_layout import sample_phone_scene
from cnnlib.datasets.scenes.render import generator
from cnnlib.datasets.scenes.solids import FAMILIES, scaled, slab_of
from cnnlib.datasets.scenes.tracing import Trace, trace
from cnnlib.types import CnnlibError

SIZE, COUNT = 96, 60
AROUND = np.random.default_rng(0).normal(size=(200, 3))


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    return render_phones(0, "train", range(COUNT), SIZE)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [sample_phone_scene(generator(0, "train", index)) for index in range(COUNT)]


@pytest.fixture(scope="module")
def seen(scenes: list[Scene]) -> list[Trace]:
    """What the ray through each pixel's centre meets; the phone is item 0."""
    return [trace(scene, scene.camera.pixel_rays(SIZE)) for scene in scenes]


def test_the_point_is_the_middle_of_the_pixels_that_show_the_phone(
    pictures: dict[str, np.ndarray], seen: list[Trace]
) -> None:
    for point, rays in zip(pictures["points"][:, 0], seen, strict=True):
        rows, columns = np.divmod(np.flatnonzero(rays.item == 0), SIZE)
        # Near parts look larger. A pixel shows an area of the floor that grows with the third power of its depth, and
        # the mean of points is projected to the mean of their projections by depth: together, the fourth power.
        weights = rays.depth[rays.item == 0].astype(np.float64) ** 4
        middle = [np.average(places, weights=weights) for places in (columns, rows)]
        assert np.hypot(*(point - middle)) < 0.5


def test_the_phone_is_whole_and_large_enough(scenes: list[Scene], seen: list[Trace]) -> None:
    pixels = []
    for scene, rays in zip(scenes, seen, strict=True):
        alone = trace(replace(scene, objects=scene.objects[:1]), rays.directions)
        np.testing.assert_array_equal(alone.item == 0, rays.item == 0)  # nothing hides it
        shares = scene.camera.project(scene.objects[0].support(AROUND), 1)
        assert shares.min() > 0
        assert shares.max() < 1
        pixels.append((rays.item == 0).sum())
    assert min(pixels) >= 36
    assert 80 < np.median(pixels) < 250


def test_the_phone_may_be_anywhere_in_the_picture(pictures: dict[str, np.ndarray]) -> None:
    x, y = pictures["points"][:, 0].T
    assert (np.histogram2d(x, y, bins=3, range=[[0, SIZE]] * 2)[0] > 0).all()


def test_most_phones_are_darker_than_the_floor(pictures: dict[str, np.ndarray], seen: list[Trace]) -> None:
    brightness = pictures["image"].mean(1).reshape(COUNT, -1)
    darker = [
        shown[rays.item == 0].mean() < shown[rays.item < 0].mean()
        for shown, rays in zip(brightness, seen, strict=True)
    ]
    assert 0.5 < np.mean(darker) < 0.95  # some lie on their screen


def test_a_patch_is_a_rectangle_with_rounded_corners() -> None:
    patch = Patch((0.01, -0.02), (0.05, 0.09), 0.02, np.zeros(3))
    scale, edge = 2000, 400
    picture = Image.new("1", (edge, edge))
    middle = [edge / 2 + scale * value for value in patch.center]
    corners = [m + sign * scale * h for sign in (-1, 1) for m, h in zip(middle, patch.half, strict=True)]
    ImageDraw.Draw(picture).rounded_rectangle(corners, scale * patch.corner, fill=1)
    x, y = np.meshgrid(*2 * [(np.arange(edge) - edge / 2) / scale])
    points = np.stack([x.ravel(), y.ravel(), np.zeros(edge**2)]).astype(np.float32)
    share = patch.share(points, np.full(edge**2, 1 / scale, np.float32))
    assert ((share > 0.5) != np.asarray(picture).ravel()).mean() < 0.005
    assert ((share > 0) & (share < 1)).mean() < 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_a_scaled_solid_is_hit_where_the_solid_is_at_that_scale(family: str) -> None:
    rng = np.random.default_rng(1)
    solid = FAMILIES[family](rng)
    small = scaled(solid, 0.25)
    origins = rng.normal(size=(3, 500)).astype(np.float32)
    origins *= np.float32(2) / np.linalg.norm(origins, axis=0)
    directions = (rng.uniform(-0.5, 0.5, (3, 500)) - origins).astype(np.float32)
    found, expected = small.body.hit(origins / 4, directions), solid.body.hit(origins, 4 * directions)
    hit = np.isfinite(expected)
    assert 50 < hit.sum() < 500
    np.testing.assert_allclose(found[hit], expected[hit], atol=1e-4)
    points = origins[:, hit] / 4 + found[hit] * directions[:, hit]
    np.testing.assert_allclose(small.body.level(points), 0, atol=1e-4)
    towards = rng.normal(size=(20, 3))
    np.testing.assert_allclose(small.hull.support(towards), solid.hull.support(towards) / 4, atol=1e-9)


def test_a_slab_fills_its_outline() -> None:
    turns = np.linspace(0, 2 * np.pi, 7, endpoint=False)
    outline = np.stack([2 * np.cos(turns), np.sin(turns)], axis=1)
    solid = slab_of(outline, 0.3)
    points = np.random.default_rng(0).uniform([[-2.2], [-2.2], [-0.4]], [[2.2], [2.2], [0.4]], (3, 20000))
    inside = solid.body.level(points) <= 0
    x, y = np.concatenate([outline, outline[:1]]).T
    area = 0.5 * (x[:-1] * y[1:] - x[1:] * y[:-1]).sum()  # the shoelace formula
    assert abs(inside.mean() * 4.4**2 * 0.8 - 0.6 * area) < 0.15
    assert np.abs(points[2, inside]).max() <= 0.3
    np.testing.assert_allclose(solid.body.level(np.array([[2.0], [0], [0.3]])), 0, atol=1e-6)


def test_a_picture_depends_on_seed_split_index_and_size_alone() -> None:
    together, alone = render_phones(0, "train", [4, 5, 6], 32), render_phones(0, "train", [5], 32)
    np.testing.assert_array_equal(together["image"][1], alone["image"][0])
    np.testing.assert_array_equal(together["points"][1], alone["points"][0])
    for seed, split, index in ((1, "train", 5), (0, "val", 5), (0, "test", 5), (0, "train", 6)):
        assert (render_phones(seed, split, [index], 32)["image"] != alone["image"]).mean() > 0.5
    larger = render_phones(0, "train", [5], 96)["points"]
    np.testing.assert_allclose((larger + 0.5) / 3, alone["points"] + 0.5, atol=1e-3)


def test_samples_hold_what_was_rendered_whatever_their_number(tmp_path: Path) -> None:
    few = Phones(size=32, train=3, val=1, test=0, cache_dir=str(tmp_path)).split("train")
    more = Phones(size=32, train=20, val=0, test=2, cache_dir=str(tmp_path)).split("train")
    truth = render_phones(0, "train", range(3), 32)
    for index in range(3):
        assert few[index].keys() == {"image", "points", "name"}
        assert few[index]["name"] == f"train-{index:05d}"
        assert torch.equal(few[index]["image"], more[index]["image"])
        np.testing.assert_array_equal(few[index]["image"], truth["image"][index] / np.float32(255))
        np.testing.assert_array_equal(few[index]["points"].value, truth["points"][index])


def test_another_version_is_rendered_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Phones(size=16, train=2, val=0, test=0, cache_dir=str(tmp_path))
    first = data.split("train")[0]["image"]
    rendered = []
    monkeypatch.setattr(
        phones, "render_phones", lambda *options: rendered.append(1) or render_phones(*options)
    )
    assert torch.equal(data.split("train")[0]["image"], first)
    assert not rendered
    for module in (phones, source):
        monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
        data.split("train")
    assert len(rendered) == 2


def test_the_version_stands_for_these_pictures() -> None:
    """Where this fails on purpose, count ``VERSION`` up: else people go on with what their caches hold."""
    assert phones.VERSION == 1
    pictures = render_phones(0, "test", range(6), 32)
    np.testing.assert_allclose(pictures["image"].mean((0, 2, 3)), [150.37, 137.04, 112.15], atol=0.05)
    np.testing.assert_allclose(pictures["points"].mean((0, 1)), [13.585, 20.585], atol=2e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8}, "size must be at least 16; it is 8"),
        ({"val": -1}, "val must be at least 0; it is -1"),
        ({"seed": 0.5}, "seed must be an integer; it is 0.5"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        Phones(**options)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(CnnlibError, match="phones: a split is one of train, val, test; got 'dev'"):
        Phones().split("dev")
