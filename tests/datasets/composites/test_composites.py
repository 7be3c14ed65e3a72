"""Composites: exact masks, depth, splits that do not leak, the same bytes whoever asks, pictures that are broken."""

from __future__ import annotations

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from cnnlib.assembly import open_data, refuse_leaks
from cnnlib.config import ExperimentConfig, build, parse_suite
from cnnlib.datasets import DATASETS
from cnnlib.datasets.composites import Composites, pictures
from cnnlib.datasets.composites.names import composite_name, shared_names
from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.types import CnnlibError
from tests.datasets.composites.made_pictures import composites, write_pictures


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


def test_a_composite_is_pillows(root: Path) -> None:
    """Pillow lays the resized cut-out over the background; the mask is its alpha."""
    data = composites(root)
    for index in range(0, len(data), 7):
        sample, recipe = data.sample(index), data._recipes[index]
        left, top, right, bottom = recipe.box
        height, width = data._pictures.shapes[recipe.foreground]
        stored = data._pictures.cutouts[recipe.foreground, :height, :width]
        cutout = Image.frombytes("RGBa", (int(width), int(height)), stored.tobytes()).convert("RGBA")
        if recipe.mirrored:
            cutout = cutout.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        cutout = cutout.resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        background = np.array(data._pictures.backgrounds[recipe.background]).transpose(1, 2, 0)
        expected = Image.fromarray(background).convert("RGBA")
        expected.alpha_composite(cutout, (left, top))
        ours = sample["image"][3:].permute(1, 2, 0).numpy() * 255
        assert np.abs(ours - np.array(expected)[..., :3]).max() < 3.0
        assert np.array_equal(sample["image"][:3].permute(1, 2, 0).numpy(), background / np.float32(255))
        mask = np.zeros((32, 32))
        mask[top:bottom, left:right] = np.array(cutout)[..., 3] >= 127.5
        assert (mask != sample["mask"].value[0].numpy()).mean() < 0.005
        assert sample["mask"].value.sum() > 0


def test_the_foreground_stands_as_far_as_its_feet(root: Path) -> None:
    data = composites(root)
    for index in range(0, len(data), 5):
        sample, recipe = data.sample(index), data._recipes[index]
        depth, valid = sample["depth"]
        mask = sample["mask"].value.bool()
        behind = torch.from_numpy(data._pictures.depths[recipe.background].astype(np.float32) / 1000)
        feet = behind[recipe.box[3] - 1, 0]  # rows of the made maps are constant
        assert torch.allclose(depth[mask], feet.expand(int(mask.sum())), atol=2e-3)
        assert torch.allclose(depth[~mask], behind[None][~mask])
        assert valid.all()


def test_depth_that_is_not_known_at_the_feet_is_not_valid(tmp_path: Path) -> None:
    root = write_pictures(tmp_path)
    for path in (root / "depth").iterdir():
        levels = np.array(Image.open(path))
        levels[32:] = 0
        Image.fromarray(levels).save(path)
    sample = composites(root).sample(0)
    assert not sample["depth"].valid[sample["mask"].value.bool()].any()
    assert sample["depth"].valid.any()


@settings(max_examples=15)
@given(st.sampled_from([None, ["background"], ["foreground"]]), st.integers(0, 50))
def test_no_background_and_no_foreground_is_in_two_splits(
    root: Path, apart: list[str] | None, seed: int
) -> None:
    data = composites(root, apart=apart, seed=seed)
    seen: dict[str, list[set[str]]] = {"foreground": [], "background": []}
    indices = []
    for part in ("train", "val", "test"):
        split = data.split(part)
        assert len(split)
        own = [data.parts_of(split._own(index)) for index in range(len(split))]
        seen["foreground"].append({foreground for foreground, _ in own})
        seen["background"].append({background for _, background in own})
        indices.append({split._own(index) for index in range(len(split))})
        assert split.group(0) == split[0]["group"] == own[0][0 if apart == ["foreground"] else 1]
    for kind in apart or ["foreground", "background"]:
        train, val, test = seen[kind]
        assert not train & val
        assert not train & test
        assert not val & test
    assert not indices[0] & indices[1]
    assert not (indices[0] | indices[1]) & indices[2]


def test_nothing_apart_divides_the_samples(root: Path) -> None:
    data = composites(root, apart=[])
    assert sum(len(data.split(part)) for part in ("train", "val", "test")) == len(data) == 4 * 2 * 5 * 2


def test_counts_draw_from_the_split_they_are_of(root: Path) -> None:
    whole, some = composites(root), composites(root, train_count=5, test_count=10**6)
    assert len(some.split("train")) == 5
    assert set(some.split("train")._indices) < set(whole.split("train")._indices)
    assert len(some.split("test")) == len(whole.split("test"))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # more workers than there are cores
def test_the_same_bytes_whoever_asks(root: Path) -> None:
    """With 0, 1 and 4 workers, from any start, and from an object made anew after the cache is gone."""

    def digest(data: Composites, workers: int, start: int = 0) -> list[bytes]:
        split = torch.utils.data.Subset(data.split("train"), range(start, len(data.split("train"))))
        loader = DataLoader(split, batch_size=None, num_workers=workers)
        return [
            sample["image"].numpy().tobytes() + sample["depth"].value.numpy().tobytes() for sample in loader
        ]

    options = {"shadow": 0.5, "match_colors": 0.5}
    expected = digest(composites(root, **options), 0)
    assert len(set(expected)) == len(expected)
    for workers in (1, 4):
        assert digest(composites(root, **options), workers) == expected
    assert digest(composites(root, **options), 0, start=7) == expected[7:]
    shutil.rmtree(root / "cache")
    assert digest(composites(root, **options), 0) == expected


def test_a_changed_picture_is_decoded_again(tmp_path: Path) -> None:
    root = write_pictures(tmp_path)
    before = composites(root).sample(0)["image"]
    Image.new("RGB", (80, 64), "white").save(root / "bg" / "room_0.jpg")
    assert (composites(root).sample(0)["image"] - before).abs().max() > 0.1


def test_a_shadow_darkens_the_ground_and_nothing_else(root: Path) -> None:
    plain, dark = (composites(root, shadow=shadow).sample(3) for shadow in (0.0, 0.8))
    difference = plain["image"][3:] - dark["image"][3:]
    outside = ~plain["mask"].value.bool()[0]
    assert difference.min() > -1e-6
    assert difference[:, outside].max() > 0.1
    assert difference[:, plain["mask"].value.bool()[0]].max() < 0.4  # at the soft edge alone
    assert torch.equal(plain["mask"].value, dark["mask"].value)
    assert torch.equal(plain["image"][:3], dark["image"][:3])


def test_colours_come_nearer_to_their_place(root: Path) -> None:
    def distance(share: float) -> float:
        found = []
        for index in range(0, 80, 9):
            sample = composites(root, match_colors=share).sample(index)
            inside = sample["mask"].value.bool()[0]
            of_bg, of_fg = (sample["image"][part][:, inside].mean(1) for part in (slice(3), slice(3, 6)))
            found.append((of_bg - of_fg).abs().mean())
        return float(torch.stack(found).mean())

    assert distance(1.0) < distance(0.5) < distance(0.0)


def test_the_background_may_be_left_out(root: Path) -> None:
    both, one = composites(root), composites(root, background_input=False)
    assert one.inputs == {"fg_bg": 3}
    assert torch.equal(one.sample(4)["image"], both.sample(4)["image"][3:])


def test_without_depths_there_is_no_depth(root: Path) -> None:
    data = composites(root, depths=None)
    assert list(data.targets) == ["mask"]
    assert "depth" not in data.sample(0)


def suite(root: Path, **options: object) -> ExperimentConfig:
    dataset = {"name": "composite", "size": 32, "positions": 2, "cache_dir": str(root / "cache")}
    dataset |= {"foregrounds": str(root / "fg"), "backgrounds": str(root / "bg"), "val": 0.2, "test": 0.25}
    parts = {"model": "resunet", "optimizer": "adamw", "training": {"epochs": 1}, "tasks": {"mask": {}}}
    return parse_suite({"dataset": dataset | options, **parts}).experiments["suite"]


def test_folds_do_not_show_the_tests_foregrounds_in_training(root: Path) -> None:
    with pytest.raises(CnnlibError, match="folds would divide all samples anew"):
        open_data(suite(root, folds=3), 0)
    for kind, which in (("foreground", 0), ("background", 1)):
        seen = []
        for seed in range(3):
            data = open_data(suite(root, folds=3, apart=[kind]), seed)
            names = [
                {each[i]["group"] for i in range(len(each))} for each in (data.train, data.val, data.test)
            ]
            assert not names[0] & names[2]
            assert not names[0] & names[1]
            seen += names[2]
        assert sorted(seen) == sorted(composites(root)._names[which])


@pytest.mark.parametrize(("folder", "kind"), [("fg", "foreground"), ("bg", "background")])
def test_the_same_picture_under_two_names_is_a_leak(tmp_path: Path, folder: str, kind: str) -> None:
    root = write_pictures(tmp_path)
    copied = sorted((root / folder).iterdir())[0]
    for number in range(8):  # whatever is drawn, all three splits have one of them
        shutil.copy(copied, copied.with_stem(f"copy_{number}"))
    with pytest.raises(CnnlibError, match=r"the same picture is in two splits[^\n]*\n.*copy_\d"):
        refuse_leaks(suite(root), build(suite(root).dataset, DATASETS), 0, Fingerprints())
    folds = suite(root, folds=3, apart=[kind])
    with pytest.raises(CnnlibError, match=r"the same picture is in two splits[^\n]*\n.*copy_\d"):
        refuse_leaks(folds, build(folds.dataset, DATASETS), 0, Fingerprints())
    for apart in ([], [({"foreground", "background"} - {kind}).pop()]):  # then they are meant to be shared
        config = suite(root, apart=apart)
        refuse_leaks(config, build(config.dataset, DATASETS), 0, Fingerprints())


def test_folds_of_different_pictures_pass_in_silence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for apart in ([], ["foreground"]):
        config = suite(root, folds=3, apart=apart)
        refuse_leaks(config, build(config.dataset, DATASETS), 0, Fingerprints())
    assert "not checked" not in capsys.readouterr().err


def test_a_run_may_skip_broken_pictures(tmp_path: Path) -> None:
    config = suite(broken(tmp_path, "truncated"), on_error="skip", max_skipped=0.2, apart=[])
    data = open_data(config, 0)
    assert len(data.skipped) == 16
    with pytest.raises(CnnlibError, match=r"room_2\.jpg"):
        open_data(suite(tmp_path), 0)


@settings(max_examples=300)
@given(
    st.lists(st.text("am-o", min_size=1, max_size=6), min_size=1, max_size=4, unique=True),
    st.lists(st.text("am-o", min_size=1, max_size=6), min_size=1, max_size=4, unique=True),
)
def test_names_of_two_composites_are_found(foregrounds: list[str], backgrounds: list[str]) -> None:
    names = [composite_name(*pair, False, 0) for pair in product(foregrounds, backgrounds)]
    names += [composite_name(*pair, True, 0) for pair in product(foregrounds, backgrounds)]
    assert bool([*shared_names(foregrounds, backgrounds)]) == (len(set(names)) < len(names))


def test_composites_of_one_name_are_refused(tmp_path: Path) -> None:
    root = write_pictures(tmp_path)
    for folder, names in (("fg", ("a", "a-o-b")), ("bg", ("c", "b-o-c"))):
        files = sorted((root / folder).iterdir())
        for name in names:
            shutil.copy(files[0], files[0].with_stem(name))
    with pytest.raises(
        CnnlibError, match=r"one name; rename a file of each: 1\n.*a on b-o-c, and a-o-b on c"
    ):
        composites(root, depths=None)


@pytest.mark.parametrize("positions", [10**7, 10**19])
def test_more_composites_than_can_be_counted_are_refused(root: Path, positions: int) -> None:
    with pytest.raises(CnnlibError, match=r"positions: .* composites; at most 50,000,000 are possible"):
        composites(root, positions=positions)


def test_the_cache_is_refused_for_what_has_its_own(root: Path) -> None:
    with pytest.raises(CnnlibError, match="once by itself: leave cache out"):
        open_data(suite(root, cache=True), 0)


def broken(tmp_path: Path, kind: str) -> Path:
    root = write_pictures(tmp_path)
    if kind == "opaque":
        Image.new("RGB", (9, 9), "red").save(root / "fg" / "person_1.png")
    elif kind == "transparent":
        Image.new("RGBA", (9, 9)).save(root / "fg" / "person_1.png")
    elif kind == "truncated":
        path = root / "bg" / "room_2.jpg"
        path.write_bytes(path.read_bytes()[:200])
    elif kind == "empty":
        (root / "bg" / "room_2.jpg").write_bytes(b"")
    elif kind == "unpaired":
        (root / "depth" / "room_3.png").rename(root / "depth" / "room_30.png")
    elif kind == "bits":
        Image.new("L", (80, 64), 9).save(root / "depth" / "room_3.png")
    return root


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("opaque", "files that are without transparency, so nothing is cut out: 1\n.*person_1.png"),
        ("transparent", "files that are transparent everywhere: 1\n.*person_1.png"),
        ("truncated", "files that are not readable as an image: 1\n.*room_2.jpg"),
        ("empty", "files that are not readable as an image: 1\n.*room_2.jpg"),
        ("unpaired", "backgrounds without a depth map of the same name in .*: 1\n    room_3"),
        (
            "bits",
            "depth maps of different kinds, which cannot share one scale: 2\n"
            "    16 bits: .*room_0.png\n    8 bits: .*room_3.png",
        ),
    ],
)
def test_pictures_that_cannot_be_used_are_told(tmp_path: Path, kind: str, expected: str) -> None:
    for _ in range(2):  # nothing of it is left in the cache
        with pytest.raises(CnnlibError, match=expected):
            composites(broken(tmp_path, kind)).check()
    with pytest.raises(CnnlibError, match=expected):
        composites(tmp_path).split("train")
    with pytest.raises(CnnlibError, match=expected):
        composites(tmp_path).sample(0)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"scale": [0.8, 0.4]}, r"scale must be \[smallest, largest\]; it is \[0.8, 0.4\]"),
        ({"foregrounds": "nowhere"}, "folders that do not exist"),
        ({"size": 8}, "size"),
        ({"val": 0.6, "test": 0.6}, "val and test must leave samples for training"),
    ],
)
def test_options_that_cannot_work_are_told(root: Path, options: dict[str, object], expected: str) -> None:
    with pytest.raises(CnnlibError, match=expected):
        composites(root, **options)


def test_too_few_pictures_to_keep_apart_are_told(tmp_path: Path) -> None:
    root = write_pictures(tmp_path, foregrounds=2)
    with pytest.raises(
        CnnlibError, match=r"foregrounds: .* need at least 3 .*; or leave foreground out of apart"
    ):
        composites(root)
    assert len(composites(root, apart=["background"]).split("train"))


def names_of(data: Composites) -> dict[str, list[str]]:
    splits = {part: data.split(part) for part in ("train", "val", "test")}
    return {part: [data.name_of(split._own(i)) for i in range(len(split))] for part, split in splits.items()}


def test_only_composites_of_broken_pictures_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others stay the same samples, in the splits that they are in; what is mended is there again."""
    root = write_pictures(tmp_path)
    whole = composites(root)
    before = names_of(whole)
    images = {name: whole.sample(index)["image"] for index, name in enumerate(map(whole.name_of, range(80)))}
    kept = {path: path.read_bytes() for path in (root / "fg" / "person_1.png", root / "depth" / "room_4.png")}
    for path, content in kept.items():
        path.write_bytes(content[: len(content) // 2])
    data = composites(root)
    data.skip_broken(0.5)
    lost = [name for name in images if name.startswith("person_1-") or "-room_4-" in name]
    assert len(lost) == 2 * 5 * 2 + 3 * 2 * 2
    assert data.skipped == tuple(lost)
    told = capsys.readouterr().err
    assert "left out 32 of 80 samples with broken files:" in told
    assert all(str(path) in told for path in kept)
    assert names_of(data) == {
        part: [name for name in names if name not in lost] for part, names in before.items()
    }
    for part in ("train", "val", "test"):
        split = data.split(part)
        for index in range(len(split)):
            assert torch.equal(split[index]["image"], images[split[index]["name"]])
    data.skip_broken(0.5)
    assert not capsys.readouterr().err
    for path, content in kept.items():
        path.write_bytes(content)
    mended = composites(root)
    mended.skip_broken(0.0)
    assert (mended.skipped, names_of(mended)) == ((), before)


def test_pictures_beside_a_broken_one_are_decoded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = broken(tmp_path, "truncated")
    composites(root).skip_broken(0.5)
    told = capsys.readouterr().err
    read: list[str] = []

    def noted(path: Path, *options: Any) -> Image.Image:
        read.append(path.name)
        return read_color(path, *options)

    monkeypatch.setattr(pictures, "read_color", noted)
    again = composites(root)
    again.skip_broken(0.5)
    assert set(read) == {"room_2.jpg"}  # for what is wrong with it
    assert capsys.readouterr().err == told
    with pytest.raises(CnnlibError, match=r"room_2\.jpg"):
        composites(root).check()


def test_a_file_that_could_not_be_read_for_a_while_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_pictures(tmp_path)

    def refuse(path: Path, *_: Any) -> Image.Image:
        raise ImageFileError("not readable as an image", path, "too many open files")

    monkeypatch.setattr(pictures, "read_color", refuse)
    composites(root)
    monkeypatch.undo()
    with pytest.raises(CnnlibError, match=r"can be now: 5\n.*room_0.jpg: delete .*background-32-"):
        composites(root).check()


def test_too_many_broken_pictures_are_refused(tmp_path: Path) -> None:
    data = composites(broken(tmp_path, "truncated"))
    with pytest.raises(
        CnnlibError,
        match=r"16 of 80 samples with broken files, more than max_skipped: 0\.19 allows:\n.*\n.*room_2",
    ):
        data.skip_broken(0.19)


@pytest.mark.parametrize("kind", ["16 bits", "8 bits", "metres", "halves", "zipped", "tiff"])
def test_depths_of_every_format_are_read(tmp_path: Path, kind: str) -> None:
    """As ``folders`` reads them: millimetres, shares of 255, metres; what floats do not know is not valid."""
    root = write_pictures(tmp_path)
    shutil.rmtree(root / "depth")
    (root / "depth").mkdir()
    metres = np.repeat(np.linspace(6, 1, 64)[:, None], 80, 1)
    expected = metres
    for number in range(5):
        path = root / "depth" / f"room_{number}"
        if kind == "16 bits":
            np.save(path.with_suffix(".npy"), np.rint(1000 * metres).astype(np.uint16))
        elif kind == "8 bits":
            np.save(path.with_suffix(".npy"), np.rint(40 * metres).astype(np.uint8))
            expected = metres * 40 / 255
        elif kind == "halves":
            unknown = np.where(np.arange(64)[:, None] < 20, np.nan, metres)
            np.save(path.with_suffix(".npy"), unknown.astype(np.float16))
        elif kind == "zipped":
            np.savez(path.with_suffix(".npz"), metres)
        else:
            array = metres.astype(np.float32)
            Image.fromarray(array).save(path.with_suffix(".tiff")) if kind == "tiff" else np.save(
                path.with_suffix(".npy"), array
            )
    data = composites(root)
    sample, behind = data.sample(3), ~data.sample(3)["mask"].value.bool()[0]
    rows = (np.arange(32) + 0.5) * 2
    expected = torch.from_numpy(expected[rows.astype(int), 0]).float()[:, None].expand(32, 32)
    value, valid = sample["depth"]
    known = valid[0] & behind
    assert torch.allclose(value[0][known], expected[known], atol=4e-3)
    there = (torch.arange(32) >= (10 if kind == "halves" else 0))[:, None].expand(32, 32)
    assert torch.equal(valid[0][behind], there[behind])
    assert data.targets["depth"].unit == ("" if kind == "8 bits" else "m")


def test_names_in_another_form_of_unicode_have_their_depths(tmp_path: Path) -> None:
    root = write_pictures(tmp_path)
    (root / "bg" / "room_0.jpg").rename(root / "bg" / "caf\u00e9.jpg")
    (root / "depth" / "room_0.png").rename(root / "depth" / "cafe\u0301.png")
    assert len(composites(root).split("train"))


def test_names_that_no_file_can_have_are_told_at_once(tmp_path: Path) -> None:
    """Each part alone is short enough."""
    root = write_pictures(tmp_path)
    for folder, name in (("fg", "person_0.png"), ("bg", "room_0.jpg"), ("depth", "room_0.png")):
        path = root / folder / name
        path.rename(path.with_stem(folder[0] * 130 if folder == "fg" else "b" * 130))
    with pytest.raises(CnnlibError, match="names that predictions cannot be saved under"):
        composites(root)
