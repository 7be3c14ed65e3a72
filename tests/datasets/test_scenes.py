"""The embedded scenes: solids against brute force, targets against each other, the data set against its contract."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.datasets.scenes import Scenes, source
from cnnlib.datasets.scenes.backdrop import MAX_DEPTH
from cnnlib.datasets.scenes.bodies import Torus
from cnnlib.datasets.scenes.colors import radiance
from cnnlib.datasets.scenes.contact_sheet import COLUMNS, contact_sheet
from cnnlib.datasets.scenes.layout import Scene, sample_scene
from cnnlib.datasets.scenes.render import CLASSES, generator, render
from cnnlib.datasets.scenes.solids import FAMILIES, Family, Solid
from cnnlib.datasets.scenes.textures import PATTERNS, Texture
from cnnlib.datasets.scenes.tracing import trace, world_normals
from cnnlib.types import CnnlibError, Split

SIZE, COUNT = 64, 40


@pytest.fixture(scope="module")
def scenes() -> dict[str, np.ndarray]:
    return render(0, "train", range(COUNT), SIZE)


def scene_of(seed: int, split: Split, index: int) -> Scene:
    """The scene that ``render`` draws."""
    return sample_scene(generator(seed, split, index))


def unprojected(index: int, depth: np.ndarray) -> np.ndarray:
    """World points (H, W, 3) of a depth map, by the formula of the pinhole camera in float64."""
    camera = scene_of(0, "train", index).camera
    middles = (np.arange(SIZE) + 0.5 - SIZE / 2) / (camera.focal * SIZE)
    x, y = np.meshgrid(middles, middles)
    local = np.stack([x, y, np.ones_like(x)], axis=2) * depth[..., None].astype(np.float64)
    return camera.position + local @ camera.axes.astype(np.float64)


def rays_at(solid: Solid, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rays (3, M) from a sphere around the solid to points near it; unit directions."""
    origins = rng.normal(size=(3, count))
    origins *= 2 / np.linalg.norm(origins, axis=0)
    directions = rng.uniform(-0.8, 0.8, (3, count)) - origins
    directions /= np.linalg.norm(directions, axis=0)
    return origins.astype(np.float32), directions.astype(np.float32)


def solids_of(family: str) -> list[Solid]:
    return [FAMILIES[family](np.random.default_rng(seed)) for seed in range(4)]


# The solids


@pytest.mark.parametrize("family", FAMILIES)
def test_a_ray_enters_where_small_steps_along_it_first_find_the_inside(family: str) -> None:
    rng = np.random.default_rng(5)
    for solid in solids_of(family):
        origins, directions = rays_at(solid, 300, rng)
        found = solid.body.hit(origins, directions)
        steps = np.arange(0, 4, 0.004)
        points = origins[:, None].astype(np.float64) + steps[:, None] * directions[:, None]
        inside = solid.body.level(points.reshape(3, -1)).reshape(len(steps), -1) < 0
        first = np.where(inside.any(0), steps[np.argmax(inside, axis=0)], np.inf)
        # A chord shorter than a step can be missed by the steps; it is never missed by the ray alone.
        assert np.isfinite(found[np.isfinite(first)]).all()
        both = np.isfinite(found) & np.isfinite(first)
        assert both.sum() > 40
        assert (np.abs(found[both] - first[both]) < 0.005).mean() > 0.98
        assert (np.isfinite(found) & ~np.isfinite(first)).mean() < 0.02


@pytest.mark.parametrize("family", FAMILIES)
def test_hits_lie_on_the_surface_and_normals_point_out_of_it(family: str) -> None:
    rng = np.random.default_rng(6)
    for solid in solids_of(family):
        origins, directions = rays_at(solid, 400, rng)
        t = solid.body.hit(origins, directions)
        hit = np.isfinite(t)
        points = origins[:, hit] + t[hit] * directions[:, hit]
        normals = solid.body.normal(points)
        np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-5)
        assert ((normals * directions[:, hit]).sum(0) < 1e-3).all()  # seen from outside
        points, step = points.astype(np.float64), 1e-3
        assert (solid.body.level(points + step * normals) > 0).all()
        assert (solid.body.level(points - step * normals) < 0).mean() > 0.97  # but at the thinnest edges
        gradient = np.stack(
            [
                solid.body.level(points + d) - solid.body.level(points - d)
                for d in 1e-5 * np.eye(3)[:, :, None]
            ]
        )
        gradient /= np.linalg.norm(gradient, axis=0)
        assert ((gradient * normals).sum(0) > 0.999).mean() > 0.97


@pytest.mark.parametrize("family", FAMILIES)
def test_no_point_of_the_surface_is_beyond_the_support(family: str) -> None:
    rng = np.random.default_rng(7)
    for solid in solids_of(family):
        origins, directions = rays_at(solid, 3000, rng)
        t = solid.body.hit(origins, directions)
        hit = np.isfinite(t)
        points = (origins + np.where(hit, t, 0) * directions)[:, hit]
        towards = rng.normal(size=(20, 3))
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        reach = (solid.hull.support(towards) * towards).sum(1)
        farthest = (towards @ points).max(1)
        assert (farthest <= reach + 1e-3).all()
        assert (farthest >= reach - 0.12).all()


def test_placed_objects_are_hit_from_near_and_from_within_their_hull() -> None:
    """As by shadow rays, which start on the floor beside an object or in the hole of a torus."""
    rng = np.random.default_rng(9)
    for item in [item for i in range(30) for item in scene_of(0, "val", i).objects]:
        origins = item.position[:, None] + rng.uniform(-1, 1, (3, 400)) * item.radius
        origins = origins[:, item.solid.body.level(item.local_points(origins)) > 0.02].astype(np.float32)
        directions = rng.normal(size=origins.shape)
        directions = (directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
        index, along = item.hits(origins, directions)
        found = np.full(origins.shape[1], np.inf)
        found[index] = along
        steps = np.arange(0, 3, 0.01)
        points = origins[:, None] + steps[:, None] * directions[:, None]
        local = item.local_points(points.reshape(3, -1))
        inside = item.solid.body.level(local).reshape(len(steps), -1) < 0
        first = np.where(inside.any(0), steps[np.argmax(inside, axis=0)], np.inf)
        hit = np.isfinite(first)
        assert np.isfinite(found[hit]).all()
        assert (np.abs(found[hit] - first[hit]) < 0.015).mean() > 0.95
        assert (np.isfinite(found) & ~hit).mean() < 0.05


def test_the_torus_agrees_with_the_roots_of_its_quartic() -> None:
    torus = Torus(0.45, 0.17)
    origins, directions = rays_at(FAMILIES["torus"](np.random.default_rng(0)), 600, np.random.default_rng(8))
    found = torus.hit(origins, directions)
    major, minor = 0.45, 0.17
    first = np.full(found.shape, np.inf)
    for i, (o, d) in enumerate(
        zip(origins.T.astype(np.float64), directions.T.astype(np.float64), strict=True)
    ):
        d = d / np.linalg.norm(d)
        along, k = o @ d, o @ o - minor**2 - major**2
        quartic = [
            1,
            4 * along,
            2 * k + 4 * along**2 + 4 * major**2 * d[2] ** 2,
            4 * k * along + 8 * major**2 * o[2] * d[2],
            k**2 - 4 * major**2 * (minor**2 - o[2] ** 2),
        ]
        roots = np.roots(quartic)
        real = roots[np.abs(roots.imag) < 1e-7].real
        if real.size:
            first[i] = real.min()
    both = np.isfinite(found) & np.isfinite(first)
    assert both.sum() > 150
    assert (np.isfinite(found) != np.isfinite(first)).sum() <= 2  # rays that graze it
    assert (np.abs(found[both] - first[both]) < 2e-3).mean() > 0.99


# The textures


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_are_colours_and_far_away_nothing_flickers(pattern: str) -> None:
    texture = Texture(pattern, np.array([[0.1, 0.3, 0.5], [0.9, 0.7, 0.5]]), period=0.4)
    u, v = np.random.default_rng(0).uniform(-5, 5, (2, 4000)).astype(np.float32)
    near = texture.albedo(u, v, np.full_like(u, 0.01), np.full_like(u, 0.01))
    far = texture.albedo(u, v, np.full_like(u, 4.0), np.full_like(u, 4.0))
    assert near.shape == (3, 4000)
    assert near.dtype == np.float32
    assert near.min() >= 0
    assert near.max() <= 1
    if pattern in ("checker", "stripes", "dots", "tiles", "bricks"):
        assert far.std(axis=1).max() < 0.35 * near.std(axis=1).max()
        np.testing.assert_allclose(far.mean(1), near.mean(1), atol=0.03)


# The targets, against each other


def test_shapes_and_types(scenes: dict[str, np.ndarray]) -> None:
    square = (COUNT, SIZE, SIZE)
    expected = {
        "image": ("uint8", (COUNT, 6, SIZE, SIZE)),
        "mask": ("bool", square),
        "depth": ("float32", square),
        "depth_valid": ("bool", square),
        "normals": ("float32", (COUNT, 3, SIZE, SIZE)),
        "classes": ("uint8", square),
        "instances": ("uint8", square),
        "object_class": ("uint8", (COUNT,)),
        "object_box": ("float32", (COUNT, 4)),
        "object_center": ("float32", (COUNT, 2)),
        "object_landmarks": ("float32", (COUNT, 5, 2)),
    }
    assert {key: (str(value.dtype), value.shape) for key, value in scenes.items()} == expected


def test_depth_is_known_within_ten_metres_and_zero_elsewhere(scenes: dict[str, np.ndarray]) -> None:
    depth, valid = scenes["depth"], scenes["depth_valid"]
    assert depth[valid].min() > 0.9
    assert depth[valid].max() <= MAX_DEPTH
    assert (depth[~valid] == 0).all()
    assert valid[scenes["mask"]].all()
    beyond = np.isin(scenes["classes"], [CLASSES.index("sky"), CLASSES.index("hills")])
    assert not valid[beyond].any()
    assert valid[
        np.isin(scenes["classes"], [CLASSES.index(kind) for kind in ("floor", "wall", "ceiling")])
    ].all()


def test_masks_are_of_a_sensible_size(scenes: dict[str, np.ndarray]) -> None:
    share = scenes["mask"].mean((1, 2))
    assert share.min() > 0.005
    assert 0.08 < np.median(share) < 0.25
    assert share.max() < 0.7


def test_every_family_and_every_kind_of_backdrop_is_there() -> None:
    seen: set[int] = set()
    for start in range(0, 120, 40):
        seen |= set(np.unique(render(0, "val", range(start, start + 40), 16)["classes"]).tolist())
    assert seen == set(range(len(CLASSES)))


def test_mask_classes_and_instances_agree(scenes: dict[str, np.ndarray]) -> None:
    first_family = len(CLASSES) - len(FAMILIES)
    np.testing.assert_array_equal(scenes["mask"], scenes["classes"] >= first_family)
    np.testing.assert_array_equal(scenes["mask"], scenes["instances"] > 0)
    for i in range(COUNT):
        objects = scene_of(0, "train", i).objects
        for instance in np.unique(scenes["instances"][i])[1:]:
            kinds = np.unique(scenes["classes"][i][scenes["instances"][i] == instance])
            assert kinds.tolist() == [CLASSES.index(objects[instance - 1].family)]


def test_unprojected_pixels_satisfy_the_equation_of_what_they_show(scenes: dict[str, np.ndarray]) -> None:
    for i in range(COUNT):
        scene, points = scene_of(0, "train", i), unprojected(i, scenes["depth"][i])
        for k, item in enumerate(scene.objects):
            world = points[scenes["instances"][i] == k + 1]
            local = ((world - item.position) @ item.axes.T).T
            steps = 1e-4 * item.solid.body.normal(local)
            slope = (item.solid.body.level(local + steps) - item.solid.body.level(local - steps)) / 2e-4
            distance = item.solid.body.level(local) / np.maximum(np.abs(slope), 0.05)
            assert np.abs(distance).max(initial=0) < 1e-3
        for surface in scene.surfaces:
            of_kind = (scenes["classes"][i] == CLASSES.index(surface.kind)) & scenes["depth_valid"][i]
            kin = [other for other in scene.surfaces if other.kind == surface.kind]
            errors = [np.abs(points[of_kind] @ other.normal - other.offset) for other in kin]
            assert np.min(errors, axis=0).max(initial=0) < 1e-3


def test_normals_are_those_of_the_depth_map(scenes: dict[str, np.ndarray]) -> None:
    cosines = []
    for i in range(COUNT):
        camera = scene_of(0, "train", i).camera
        points = (unprojected(i, scenes["depth"][i]) - camera.position) @ camera.axes.T
        across, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
        normal = np.cross(down, across)
        normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-12)
        label = scenes["classes"][i].astype(int) * 8 + scenes["instances"][i]
        middle = label[1:-1, 1:-1]
        inner = scenes["depth_valid"][i][1:-1, 1:-1].copy()
        for shifted, known in (
            (label[1:-1, 2:], scenes["depth_valid"][i][1:-1, 2:]),
            (label[1:-1, :-2], scenes["depth_valid"][i][1:-1, :-2]),
            (label[2:, 1:-1], scenes["depth_valid"][i][2:, 1:-1]),
            (label[:-2, 1:-1], scenes["depth_valid"][i][:-2, 1:-1]),
        ):
            inner &= (shifted == middle) & known
        given = scenes["normals"][i].transpose(1, 2, 0)[1:-1, 1:-1]
        cosines.append((given * normal).sum(2)[inner])
    cosine = np.concatenate(cosines)
    assert np.median(cosine) > 0.9999
    assert (cosine > 0.98).mean() > 0.95  # the rest: edges within one object, corners of a room


def test_normals_are_unit_where_depth_is_known_and_face_the_camera(scenes: dict[str, np.ndarray]) -> None:
    length = np.linalg.norm(scenes["normals"], axis=1)
    np.testing.assert_allclose(length[scenes["depth_valid"]], 1, atol=1e-4)
    assert (length[~scenes["depth_valid"]] == 0).all()
    for i in range(COUNT):
        focal = scene_of(0, "train", i).camera.focal
        middles = (np.arange(SIZE) + 0.5 - SIZE / 2) / (focal * SIZE)
        x, y = np.meshgrid(middles, middles)
        towards = (scenes["normals"][i] * np.stack([x, y, np.ones_like(x)])).sum(0)
        assert towards.max() < 1e-3


def test_the_box_is_the_tightest_around_the_main_object(scenes: dict[str, np.ndarray]) -> None:
    for i in range(COUNT):
        sizes = np.bincount(scenes["instances"][i].ravel(), minlength=4)[1:]
        main = int(np.argmax(sizes)) + 1
        picture = Image.fromarray((scenes["instances"][i] == main).astype(np.uint8))
        assert scenes["object_box"][i].tolist() == list(picture.getbbox())
        item = scene_of(0, "train", i).objects[main - 1]
        assert CLASSES[scenes["object_class"][i]] == item.family


def test_landmarks_of_a_lone_object_touch_its_box(scenes: dict[str, np.ndarray]) -> None:
    """Landmarks are points of the object's hull, so none is outside of the box, and left and right are near it."""
    tested = 0
    for i in range(COUNT):
        box, landmarks = scenes["object_box"][i], scenes["object_landmarks"][i]
        if scenes["instances"][i].max() > 1 or box.min() < 1 or box.max() > SIZE - 1:
            continue
        tested += 1
        assert (landmarks >= box[:2] - 2).all()  # the tip of a cone is thinner than a pixel
        assert (landmarks <= box[2:] + 2).all()
        center, top, bottom, left, right = landmarks
        np.testing.assert_array_equal(center, scenes["object_center"][i])
        assert top[1] < center[1] < bottom[1]
        assert left[0] < center[0] < right[0]
        width = box[2] - box[0]
        assert left[0] - box[0] < 0.2 * width
        assert box[2] - right[0] < 0.2 * width
    assert tested >= 5


def test_objects_rest_on_the_floor_apart_from_each_other_and_the_walls() -> None:
    for i in range(150):
        scene = scene_of(3, "train", i)
        assert 1 <= len(scene.objects) <= 3
        around = np.array([[np.cos(a), np.sin(a), 0] for a in np.linspace(0, 2 * np.pi, 24)])
        for k, item in enumerate(scene.objects):
            assert abs(item.support(np.array([[0.0, 0.0, -1.0]]))[0, 2]) < 1e-9
            for wall in scene.surfaces:
                assert wall.normal @ item.support(-wall.normal[None])[0] >= wall.offset - 1e-6
            for other in scene.objects[:k]:
                gap = (item.position - other.position)[:2]
                direction = np.array([*gap, 0]) / np.hypot(*gap)
                near = direction @ item.support(-direction[None])[0]
                assert near > direction @ other.support(direction[None])[0]
            assert (np.linalg.norm(item.support(around)[:, :2], axis=1) > 0.9).all()  # not in the camera


# The picture


def test_the_background_is_the_same_view_without_objects_and_shadows() -> None:
    for i in range(8):
        scene = scene_of(0, "test", i)
        empty = replace(scene, objects=())
        pictures = []
        for one in (scene, empty):
            centers = trace(one, one.camera.pixel_rays(SIZE))
            pictures.append(radiance(one, centers, world_normals(one, centers), SIZE))
        (background, full), (alone, alone_full) = pictures
        np.testing.assert_allclose(background, alone, atol=1e-5)
        np.testing.assert_allclose(alone_full, alone, atol=1e-5)
        seen = trace(scene, scene.camera.pixel_rays(SIZE)).item.reshape(SIZE, SIZE) >= 0
        darker = (full - background).mean(0)[~seen]
        assert (darker < -0.01).mean() > 0.005  # the shadow
        assert np.isfinite(full).all()


def test_subtracting_the_background_does_not_give_the_mask(scenes: dict[str, np.ndarray]) -> None:
    image = scenes["image"].astype(np.float32)
    difference = np.abs(image[:, 3:] - image[:, :3]).mean(1)
    ious = []
    for i in range(COUNT):
        found = difference[i][None] > np.arange(1, 80)[:, None, None]
        mask = scenes["mask"][i]
        ious.append(((found & mask).sum((1, 2)) / (found | mask).sum((1, 2))).max())
        assert difference[i][mask].mean() > difference[i][~mask].mean()
    assert 0.4 < np.mean(ious) < 0.9  # even with the best threshold for each picture


def test_a_scene_depends_on_seed_split_index_and_size_alone() -> None:
    together = render(0, "train", [4, 5, 6], 32)
    alone = render(0, "train", [5], 32)
    for key, value in alone.items():
        np.testing.assert_array_equal(together[key][1], value[0], err_msg=key)
    for seed, split, index in ((1, "train", 5), (0, "val", 5), (0, "test", 5), (0, "train", 6)):
        assert (render(seed, split, [index], 32)["image"] != alone["image"]).mean() > 0.5


def test_the_size_changes_the_resolution_and_not_the_scene() -> None:
    small, large = render(0, "train", [2], 32), render(0, "train", [2], 96)
    middles = large["depth"][0][1::3, 1::3]  # the middle of each 3 x 3 block is the small picture's pixel
    np.testing.assert_allclose(middles, small["depth"][0], atol=1e-3)
    np.testing.assert_allclose(large["object_landmarks"], 3 * small["object_landmarks"], atol=1e-3)


def test_the_version_stands_for_these_pictures() -> None:
    """Where this fails on purpose, count ``VERSION`` up: else people go on with what their caches hold."""
    assert source.VERSION == 4
    scenes = render(0, "test", range(6), 32)
    image = scenes["image"].mean((0, 2, 3))
    np.testing.assert_allclose(image, [155.33, 140.19, 114.07, 156.41, 140.62, 117.04], atol=0.05)
    np.testing.assert_allclose(scenes["mask"].mean(), 0.12809, atol=3e-4)
    np.testing.assert_allclose(scenes["depth"].mean(), 3.66714, atol=2e-3)
    np.testing.assert_allclose(scenes["object_landmarks"].mean((0, 1)), [14.599, 21.376], atol=2e-3)


# The data set


def test_samples_hold_what_was_rendered(tmp_path: Path) -> None:
    split = Scenes(size=32, train=3, val=1, test=2, cache_dir=str(tmp_path)).split("test")
    assert len(split) == 2
    sample, truth = split[1], {key: value[0] for key, value in render(0, "test", [1], 32).items()}
    assert sample.keys() == {"image", "name", *Scenes.targets}
    assert sample["name"] == "test-00001"
    known = truth["depth_valid"]
    np.testing.assert_array_equal(sample["image"].numpy(), truth["image"].astype(np.float32) / 255)
    np.testing.assert_array_equal(sample["mask"].value[0].numpy(), truth["mask"])
    np.testing.assert_array_equal(sample["depth"].valid[0].numpy(), known)
    np.testing.assert_allclose(sample["depth"].value[0].numpy(), truth["depth"], atol=0.00051)  # millimetres
    np.testing.assert_array_equal(sample["normals"].valid[0].numpy(), known)
    np.testing.assert_array_equal(sample["semantic"].value[0].numpy(), truth["classes"])
    np.testing.assert_array_equal(sample["box"].value.numpy(), truth["object_box"])
    assert Scenes.targets["label"].names[sample["label"].value] == CLASSES[truth["object_class"]]
    normals, exact = sample["normals"].value.double().numpy()[:, known], truth["normals"][:, known]
    sine = np.linalg.norm(np.cross(normals, exact, axis=0), axis=0)
    assert np.degrees(np.arcsin(sine)).max() < 0.002
    with pytest.raises(IndexError, match="2 scenes"):
        split[2]


def test_points_count_from_the_centre_of_the_first_pixel_and_are_valid_within_the_picture(
    tmp_path: Path,
) -> None:
    split = Scenes(size=32, train=30, val=0, test=0, cache_dir=str(tmp_path)).split("train")
    landmarks = render(0, "train", range(30), 32)["object_landmarks"]
    inside = ((landmarks >= 0) & (landmarks <= 32)).all(-1)
    assert 0 < (~inside).sum() < 60
    for i, corner_based in enumerate(landmarks):
        np.testing.assert_allclose(split[i]["points"].value.numpy() + 0.5, corner_based, atol=1e-5)
        np.testing.assert_array_equal(split[i]["points"].valid.numpy(), inside[i])


def test_mirrored_points_change_left_and_right() -> None:
    info = Scenes.targets["points"]
    mirrored = [info.names[i] for i in info.flip_order]
    assert dict(zip(info.names, mirrored, strict=True)) == {
        "center": "center", "top": "top", "bottom": "bottom", "left": "right", "right": "left"
    }  # fmt: skip


def test_other_counts_give_the_same_scenes(tmp_path: Path) -> None:
    few = Scenes(size=16, train=2, val=0, test=0, cache_dir=str(tmp_path)).split("train")
    more = Scenes(size=16, train=20, val=3, test=0, cache_dir=str(tmp_path)).split("train")
    for i in range(2):
        assert torch.equal(few[i]["image"], more[i]["image"])
        assert all(torch.equal(few[i][key].value, more[i][key].value) for key in Scenes.targets)


def test_scenes_are_rendered_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Scenes(size=16, train=3, val=0, test=0, cache_dir=str(tmp_path))
    first = data.split("train")[0]

    def never(*_: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(source, "render", never)
    assert torch.equal(data.split("train")[0]["image"], first["image"])
    with pytest.raises(AssertionError, match="rendered again"):
        Scenes(size=16, train=3, val=0, test=0, seed=1, cache_dir=str(tmp_path)).split("train")
    monkeypatch.setattr(source, "VERSION", source.VERSION + 1)
    with pytest.raises(AssertionError, match="rendered again"):
        data.split("train")


def test_scenes_hold_so_many_objects_of_the_families_asked_for() -> None:
    assert get_args(Family) == tuple(FAMILIES)
    for objects in (1, 2, 3):
        for index in range(40):
            scene = sample_scene(generator(0, "val", index), ("cone", "box"), objects)
            assert len(scene.objects) == objects
            assert {item.family for item in scene.objects} <= {"cone", "box"}


def test_options_reach_the_scenes_and_stand_for_themselves_in_the_cache(tmp_path: Path) -> None:
    options = {"size": 24, "train": 12, "val": 0, "test": 0, "cache_dir": str(tmp_path)}
    plain, few = Scenes(**options), Scenes(**options, families=["torus", "box"], objects=1)
    names = few.targets["label"].names
    assert names == plain.targets["label"].names
    labels = {names[sample["label"].value] for sample in map(few.split("train").__getitem__, range(12))}
    assert labels == {"box", "torus"}
    expected = render(0, "train", range(12), 24)["image"] / np.float32(255)
    np.testing.assert_array_equal(plain.split("train")[5]["image"].numpy(), expected[5])
    assert sorted(folder.name for folder in (tmp_path / "scenes").iterdir()) == [
        "train-12-size-24-seed-0",
        "train-12-size-24-seed-0-families-box-torus-objects-1",
    ]


def test_an_empty_split_is_empty(tmp_path: Path) -> None:
    assert len(Scenes(size=16, train=1, val=0, test=1, cache_dir=str(tmp_path)).split("val")) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 15}, "size must be at least 16; it is 15"),
        ({"train": -1}, "train must be at least 0; it is -1"),
        ({"test": 1.5}, "test must be an integer; it is 1.5"),
        ({"val": True}, "val must be an integer; it is True"),
        ({"seed": -3}, "seed must be at least 0; it is -3"),
        ({"families": []}, "families must be a list of at least 1"),
        ({"families": ["box", "piramid"]}, r"it is 'piramid' \(did you mean 'pyramid'\?\)"),
        ({"objects": 0}, "objects must be at least 1"),
        ({"objects": 4}, "objects must be at most 3"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        Scenes(**options)


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(CnnlibError, match="train, val, test; got 'dev'"):
        Scenes(cache_dir=str(tmp_path)).split("dev")


def test_progress_is_shown_to_people_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Scenes(size=16, train=2, val=2, test=0, cache_dir=str(tmp_path))
    data.split("train")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    data.split("val")
    shown = capsys.readouterr()
    assert "rendering scenes (val)" in shown.err
    assert shown.out == ""


def test_the_contact_sheet_shows_each_scene_in_a_row(tmp_path: Path) -> None:
    sheet = np.asarray(contact_sheet(count=2, size=48, seed=0, split="val"))
    height, width = sheet.shape[:2]
    assert width == len(COLUMNS) * 52 + 4
    assert height == 2 * 52 + 16
    shown = sheet[16 + 52 : 16 + 52 + 48, 4 + 52 : 4 + 52 + 48]
    np.testing.assert_array_equal(shown.transpose(2, 0, 1), render(0, "val", [1], 48)["image"][0, 3:])


def test_the_command_line_draws_a_contact_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sheet.png"
    monkeypatch.setattr(sys, "argv", ["scenes", str(out), "--count", "1", "--size", "32"])
    runpy.run_module("cnnlib.datasets.scenes", run_name="__main__")
    with Image.open(out) as sheet:
        assert sheet.size == (len(COLUMNS) * 36 + 4, 36 + 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sheet.png", "--count", "0"], "count must be at least 1; it is 0"),
        (["sheet.png", "--size", "8"], "size must be at least 16; it is 8"),
        (["sheet.nonsense", "--count", "1", "--size", "16"], "unknown file extension: .nonsense"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["scenes", *arguments])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_module("cnnlib.datasets.scenes", run_name="__main__")
    assert message in capsys.readouterr().err
