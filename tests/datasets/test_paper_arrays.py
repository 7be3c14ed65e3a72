"""NYUv2 and Cityscapes in the .npy files of MTAN and LibMTL: what is read, and what is said of broken files."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cnnlib.assembly import make_loaders, make_trainer, open_data
from cnnlib.config import load_suite
from cnnlib.datasets import Cityscapes, NYUv2, Scenes
from cnnlib.datasets.normal_axes import axes_by_depth
from cnnlib.reporting.progress import SilentProgress
from cnnlib.types import CnnlibError, Target
from tests.datasets.paper_files import HEIGHT, WIDTH, plane, save_array, save_picture
from tests.datasets.pictures import photo, samples, save
from tests.time_limit import limited

AXES = list(product((1, -1), repeat=3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(12):  # 10 and 11 come after 9
        save_picture(tmp_path / "train", number, classes=13)
    for number in range(3):
        save_picture(tmp_path / "val", number, classes=13)
    return tmp_path


def names(data: Any, part: str) -> list[str]:
    split = data.split(part)
    return [split[index]["name"] for index in range(len(split))]


def test_maps_are_those_of_the_files(root: Path) -> None:
    data = NYUv2(str(root))
    data.check()
    sample = data.split("test")[1]
    depth, normals = plane(101)
    assert sample["name"] == "val/1"
    np.testing.assert_allclose(sample["image"].permute(1, 2, 0), photo(101, HEIGHT, WIDTH) / 255, atol=1e-6)
    np.testing.assert_allclose(sample["depth"].value[0, 1:], depth[1:, :, 0], rtol=1e-6)
    np.testing.assert_allclose(sample["normals"].value[:, 1:].permute(1, 2, 0), normals[1:], atol=1e-6)
    index = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) + 1) % 13
    np.testing.assert_array_equal(sample["semantic"].value[0, 2:], index[2:])
    for key, unknown in (("depth", 1), ("normals", 1), ("semantic", 2)):
        valid = sample[key].valid[0]
        assert not valid[:unknown].any()
        assert valid[unknown:].all()


def test_the_papers_test_set_is_val_and_validation_a_part_of_train(root: Path) -> None:
    data = NYUv2(str(root), val=0.25)
    assert names(data, "test") == ["val/0", "val/1", "val/2"]
    assert len(names(data, "val")) == 3
    together = sorted(names(data, "train") + names(data, "val"), key=lambda name: int(name.split("/")[1]))
    assert together == [f"train/{number}" for number in range(12)]
    assert data.fixed_test
    assert len({str(names(NYUv2(str(root), val=0.25, seed=seed), "val")) for seed in range(4)}) > 1


@pytest.mark.parametrize("axes", AXES)
def test_normals_of_any_axes_are_turned_into_the_cameras(tmp_path: Path, axes: tuple[int, int, int]) -> None:
    for number in range(6):
        save_picture(tmp_path / "train", number, classes=13, axes=axes)
        save_picture(tmp_path / "val", number, classes=13, axes=axes)
    for given in (None, axes):
        for sample in samples(NYUv2(str(tmp_path), normal_axes=given)):
            place, number = sample["name"].split("/")
            _, expected = plane(int(number) + 100 * (place == "val"))
            np.testing.assert_allclose(
                sample["normals"].value[:, 1:].permute(1, 2, 0), expected[1:], atol=1e-6
            )


def test_axes_are_found_on_rendered_scenes(tmp_path: Path) -> None:
    """Of an exact renderer, whose camera is another, with objects, edges and pixels without a depth."""
    split = Scenes(size=64, train=4, val=1, test=1, cache_dir=str(tmp_path)).split("train")
    pictures = [(split[index]["normals"], split[index]["depth"]) for index in range(4)]
    for axes in AXES:
        turned = torch.tensor(axes).view(3, 1, 1)
        stored = [(Target(normals.value * turned, normals.valid), depth) for normals, depth in pictures]
        assert axes_by_depth(stored) == axes


def test_normals_that_have_nothing_to_do_with_the_depths_are_refused(root: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", 12), ("val", 3)):
        for number in range(count):
            noise = F.normalize(torch.randn(HEIGHT, WIDTH, 3, generator=generator), dim=-1)
            save_array(root / part / "normal" / f"{number}.npy", noise.numpy())
    with pytest.raises(
        CnnlibError, match=r"axes of the normals cannot be inferred .* set normal_axes, such as"
    ):
        NYUv2(str(root))
    NYUv2(str(root), normal_axes=(1, -1, -1)).check()


@pytest.mark.parametrize(
    ("classes", "folder"), [(7, "label_7"), (19, "label_19"), (7, "label"), (19, "label")]
)
def test_cityscapes_of_either_number_of_classes(tmp_path: Path, classes: int, folder: str) -> None:
    for number in range(4):
        for part in ("train", "val"):
            save_picture(tmp_path / part, number, classes, label=folder)
    data = Cityscapes(str(tmp_path), classes=classes)
    data.check()
    assert len(data.targets["semantic"].names) == classes
    assert data.targets["depth"].inverse
    assert max(sample["semantic"].value.max() for sample in samples(data)) == classes - 1


def test_cityscapes_takes_the_labels_of_its_classes_where_there_are_both(tmp_path: Path) -> None:
    for number in range(4):
        for part in ("train", "val"):
            save_picture(tmp_path / part, number, 19, label="label_19")
            save_picture(tmp_path / part, number, 7, label="label_7")
    Cityscapes(str(tmp_path), classes=7).check()
    assert int(Cityscapes(str(tmp_path), classes=19).split("test")[0]["semantic"].value.max()) == 18


def _pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}))


def _objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def _archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


def _changed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: np.save(path, change(np.load(path)))


def _with(value: float) -> Callable[[Path], None]:
    def change(array: np.ndarray) -> np.ndarray:
        array[5, 5] = value
        return array

    return _changed(change)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("folder", "spoil", "message"),
    [
        ("image", _pipe, r"not readable as an array: 1\n    .*train/image/4\.npy: .*must be a regular file"),
        ("image", _pickled, r"not readable as an array: 1\n    .*train/image/4\.npy: it is no \.npy file of numbers"),
        ("label", _objects, r"not readable as an array: 1\n    .*train/label/4\.npy: "),
        ("depth", _truncated, r"not readable as an array: 1\n    .*train/depth/4\.npy: "),
        ("depth", lambda path: path.write_bytes(b""), r"not readable as an array: 1\n    .*train/depth/4\.npy: "),
        ("depth", _archive, r"of another shape: 1\n    .*depth/4\.npy: it is \(3,\); expected \(12, 16, 1\)"),
        ("label", _changed(lambda a: a.astype(str)), r"label/4\.npy: it holds <U32; expected numbers"),
        ("image", _changed(lambda a: a.transpose(2, 0, 1)), r"4\.npy: it is \(3, 12, 16\); expected \(12, 16, 3\)"),
        ("image", _changed(lambda a: a[:6]), r"image/4\.npy: it is \(6, 16, 3\); expected \(12, 16, 3\)"),
        ("depth", _changed(lambda a: a[..., 0]), r"depth/4\.npy: it is \(12, 16\); expected \(12, 16, 1\)"),
        ("label", _changed(lambda a: a[None]), r"label/4\.npy: it is \(1, 12, 16\); expected \(12, 16\)"),
        ("depth", _with(np.nan), r"NaN or infinite values: 1\n    .*depth/4\.npy: expected finite numbers"),
        ("normal", _with(np.inf), r"NaN or infinite values: 1\n    .*normal/4\.npy"),
        ("label", _with(13), r"semantic: 1\n    .*4\.npy: it reaches from -1 to 13; expected integers from 0 to 12"),
        ("label", _with(0.5), r"not usable as semantic: 1\n    .*label/4\.npy: .*expected integers"),
        ("label", _with(-2), r"not usable as semantic: 1\n    .*label/4\.npy: it reaches from -2 to 12"),
        ("image", _changed(lambda a: a * 255), r"image: 1\n    .*4\.npy: .*from 0 to 1: divide them by 255"),
        ("image", _with(-3), r"image: 1\n    .*4\.npy: it reaches from -3 .*expected colours from 0 to 1$"),
        ("normal", _changed(lambda a: a / 2), r"normals: 1\n    .*4\.npy: half of them .* 0\.5; expected 1"),
    ],
)  # fmt: skip
def test_broken_files_are_named(root: Path, folder: str, spoil: Callable[[Path], None], message: str) -> None:
    spoil(root / "train" / folder / "4.npy")
    with limited(10), pytest.raises(CnnlibError, match=f"(?s)cannot be used:.*{message}"):
        NYUv2(str(root), normal_axes=(1, 1, 1)).check()


def test_a_header_that_promises_terabytes_is_told_without_the_memory(root: Path) -> None:
    path = root / "train" / "image" / "4.npy"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (1_000_000, 1_000_000, 3)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(CnnlibError, match=r"not readable as an array: 1\n    .*train/image/4\.npy"):
        NYUv2(str(root), normal_axes=(1, 1, 1)).check()


def test_files_that_do_not_pair_are_told_together(root: Path) -> None:
    (root / "train" / "depth" / "7.npy").unlink()
    save_array(root / "val" / "label" / "30.npy", np.zeros((HEIGHT, WIDTH)))
    with pytest.raises(
        CnnlibError,
        match=r"(?s)images without a file in depth: 1\n    train/image/7\.npy.*"
        r"files without an image of the same number: 1\n    val/label/30\.npy",
    ):
        NYUv2(str(root))


def test_folders_of_another_form_are_told_with_what_was_found(root: Path, tmp_path: Path) -> None:
    (root / "train" / "label").rename(root / "train" / "labels")
    layout = r"expected .*\{train,val\}/\{image,label_7,depth\}/N\.npy.* no train/label_7, no val/label_7"
    with pytest.raises(CnnlibError, match=layout):
        Cityscapes(str(root))
    with pytest.raises(
        CnnlibError, match=r"no train/label: it holds train/, val/, train/depth, train/image,"
    ):
        NYUv2(str(root))
    pictures = tmp_path / "elsewhere"
    save(photo(0), pictures / "images" / "a.jpg")
    with pytest.raises(CnnlibError, match=r"it holds images/; for image files use the data set folders"):
        NYUv2(str(pictures))
    with pytest.raises(CnnlibError, match="it holds nothing, for it does not exist"):
        NYUv2(str(root / "nowhere"))
    for file in (root / "val" / "image").iterdir():
        file.unlink()
    (root / "val" / "image" / "a.png").touch()
    (root / "train" / "labels").rename(root / "train" / "label")
    with pytest.raises(
        CnnlibError, match=r"without a file such as 0\.npy: 1\n    .*val/image: it holds a\.png"
    ):
        NYUv2(str(root))


def test_the_shipped_benchmark_trains_an_epoch(root: Path) -> None:
    """LibMTL's, with a small encoder and decoder, on pictures of a few pixels."""
    config = Path(__file__).parents[2] / "configs" / "nyuv2_hps.yaml"
    changes = {
        "dataset.root": root,
        "model.encoder": "test_resnet",
        "model.decoder": "{name: deeplabv3, channels: 4, atrous_rates: [1, 2, 3]}",
        "tasks.depth.eval_crop": "eigen_nyu",
        "training": "{epochs: 1, batch_size: 4, workers: 0}",
    }
    suite = load_suite(config, [f"{key}={value}" for key, value in changes.items()])
    assert set(suite.experiments) == {"equal", "uncertainty", "dwa", "rlw", "mgda", "pcgrad", "cagrad"}
    experiment = suite.experiments["equal"]
    data = open_data(experiment, seed=0)
    loaders = make_loaders(experiment, data, seed=0)
    trainer = make_trainer(experiment, data, 0, root / "run", SilentProgress())
    trainer.fit(loaders.train, loaders.val)
    assert trainer.state.epoch == 1
