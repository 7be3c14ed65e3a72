"""The pipeline: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from cnnlib.augmentations import AUGMENTATIONS, Blur, Color, Cutout, Flip, Noise, Pipeline, Rotate, ScaleCrop
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import CnnlibError, Sample, Target, TargetInfo

TASKS = {"mask": MaskTask(TargetInfo("mask")), "depth": DepthTask(TargetInfo("depth"))}


def make_sample(height: int = 20, width: int = 26) -> Sample:
    return {
        "image": torch.rand(6, height, width),
        "mask": Target((torch.rand(1, height, width) > 0.5).float()),
        "depth": Target(torch.rand(1, height, width) + 1, torch.rand(1, height, width) > 0.3),
        "normals": Target(torch.zeros(3, height, width)),
        "name": "room_7",
    }


def tensors(sample: Sample) -> list[Tensor]:
    return [sample["image"], sample["mask"].value, *sample["depth"]]


def test_nothing_is_changed_without_augmentations() -> None:
    sample = make_sample()
    result = Pipeline([], TASKS)(sample)
    assert set(result) == {"image", "mask", "depth", "name", "group"}
    assert torch.equal(result["image"], sample["image"])
    assert torch.equal(result["mask"].value, sample["mask"].value)
    assert all(torch.equal(*pair) for pair in zip(result["depth"], sample["depth"], strict=True))
    assert result["mask"].valid.dtype == torch.bool
    assert result["mask"].valid.shape == (1, 20, 26)
    assert result["mask"].valid.all()
    assert result["name"] == "room_7"


def test_a_missing_target_is_valid_nowhere() -> None:
    sample = make_sample()
    del sample["mask"]
    result = Pipeline([Rotate()], TASKS)(sample)
    assert set(result) == {"image", "mask", "depth", "name", "group"}
    assert result["mask"].value.shape == result["mask"].valid.shape == (1, 20, 26)
    assert not result["mask"].valid.any()
    assert result["depth"].valid.any()


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 2), (33, 20)])
def test_every_augmentation_gives_plain_tensors_of_the_same_shape(name: str, size: tuple[int, int]) -> None:
    sample = make_sample(*size)
    for seed in range(5):
        torch.manual_seed(seed)
        result = Pipeline([AUGMENTATIONS[name]()], TASKS)(sample)
        for before, after in zip(tensors(sample), tensors(result), strict=True):
            assert type(after) is Tensor
            assert after.shape == before.shape
            assert after.dtype == before.dtype
            assert after.is_contiguous()
        assert result["image"].min() >= 0
        assert result["image"].max() <= 1


def test_randomness_is_torchs_global_generator() -> None:
    pipeline = Pipeline([Flip(), Rotate(), ScaleCrop(), Cutout(), Color(), Noise(), Blur()], TASKS)
    sample = make_sample()
    results = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        results.append(pipeline(sample))
    for first, second in zip(tensors(results[0]), tensors(results[1]), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(results[0]["image"], results[2]["image"])
    assert not torch.equal(results[0]["depth"].value, results[2]["depth"].value)


def test_order_is_kept() -> None:
    sample = make_sample()
    torch.manual_seed(0)
    erased_then_moved = Pipeline([Cutout(p=1), ScaleCrop(0.5, 0.5)], TASKS)(sample)["image"]
    moved_then_erased = Pipeline([ScaleCrop(0.5, 0.5), Cutout(p=1)], TASKS)(sample)["image"]
    assert (moved_then_erased == 0.5).all(dim=0).sum() == 5 * 6  # round(0.25 * 20) x round(0.25 * 26)
    assert (erased_then_moved == 0.5).all(dim=0).sum() < 5 * 6 / 2


def test_white_stays_within_range_when_interpolated() -> None:
    """A weight sum of 1.0000001 must not make the augmentation that follows fail its range check."""
    sample = {"image": torch.ones(3, 57, 57), "name": "white"}
    for seed in range(30):
        torch.manual_seed(seed)
        image = Pipeline([Rotate(180), ScaleCrop(0.6, 1.6), Cutout(p=1)], {})(sample)["image"]
        assert image.max() == 1


@pytest.mark.parametrize(
    "stranger",
    [lambda sample: sample, v2.RandomHorizontalFlip(), Flip, "flip", None],
    ids=["function", "transform", "class", "name", "nothing"],
)
def test_what_is_neither_geometric_nor_photometric_is_refused(stranger: Any) -> None:
    with pytest.raises(CnnlibError, match=r"augmentations\[1\] must be an object of a subclass of"):
        Pipeline([Flip(), stranger], TASKS)


@pytest.mark.parametrize("image", [torch.zeros(6, 20, 26), torch.zeros(20, 26, dtype=torch.uint8), [1]])
def test_a_uint8_image_of_another_form_is_refused(image: Any) -> None:
    with pytest.raises(
        CnnlibError, match=r"'room_7': 'image_uint8' must be (torch.uint8 \(C, H, W\)|a tensor); got "
    ):
        Pipeline([], TASKS)({**make_sample(), "image_uint8": image})


@pytest.mark.parametrize("augmentations", [[], [Flip()], [Color()]], ids=["none", "flip", "color"])
def test_a_uint8_image_is_augmented_like_one_of_floats(augmentations: list[Any]) -> None:
    levels = torch.randint(0, 256, (6, 20, 26), dtype=torch.uint8)
    image = torch.from_numpy(levels.numpy() / np.float32(255))
    pipeline, sample = Pipeline(augmentations, TASKS), make_sample()
    del sample["image"]
    torch.manual_seed(3)
    found = pipeline({"image_uint8": levels, **sample})
    torch.manual_seed(3)
    expected = pipeline({"image": image, **sample})
    if not augmentations:
        torch.testing.assert_close(found.pop("image_uint8"), levels)
        found["image"] = image
    assert found.keys() == expected.keys()
    torch.testing.assert_close(found["image"], expected["image"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("image", None, "'image' must be a tensor; got NoneType"),
        ("image", torch.zeros(6, 20, 26, dtype=torch.uint8), "'image' must be torch.float32"),
        ("image", torch.zeros(20, 26), r"'image' must be torch.float32 \(C, H, W\); got .* \(20, 26\)"),
        ("image", torch.full((6, 20, 26), 255.0), r"'image' must be in \[0, 1\]; got 255 to 255"),
        ("image", torch.full((6, 20, 26), float("nan")), r"'image' must be in \[0, 1\]"),
        ("mask", torch.zeros(1, 20, 26), r"'mask': must be a cnnlib.types.Target; it is a Tensor"),
        (
            "mask",
            Target(torch.zeros(1, 20, 25)),
            r"'mask': the value must be torch.float32 \(1, 20, 26\); it is .* \(1, 20, 25\)",
        ),
        ("mask", Target(None), r"'mask': the value must be .*; it is NoneType"),
        (
            "depth",
            Target(torch.zeros(1, 20, 26, dtype=torch.float64)),
            "'depth': the value must be torch.float32",
        ),
        (
            "depth",
            Target(torch.ones(1, 20, 26), torch.ones(1, 20, 26)),
            "'depth': the valid mask must be torch.bool",
        ),
        (
            "depth",
            Target(torch.ones(1, 20, 26), torch.ones(2, 20, 26, dtype=torch.bool)),
            r"'depth': the valid mask must be torch.bool \(1, 20, 26\)",
        ),
    ],
)
def test_broken_samples_are_told_by_name_and_key(key: str, value: Any, message: str) -> None:
    sample = {**make_sample(), key: value}
    with pytest.raises(CnnlibError, match="sample 'room_7': " + message):
        Pipeline([], TASKS)(sample)


@pytest.mark.parametrize(
    ("name", "arguments", "culprit"),
    [
        ("flip", {"horizontal": 1.1}, "horizontal"),
        ("flip", {"vertical": -0.1}, "vertical"),
        ("flip", {"horizontal": "0.5"}, "horizontal"),
        ("flip", {"horizontal": True}, "horizontal"),
        ("rotate", {"degrees": -1}, "degrees"),
        ("rotate", {"degrees": float("nan")}, "degrees"),
        ("rotate", {"p": 2}, "p"),
        ("scale_crop", {"min_scale": 0}, "min_scale"),
        ("scale_crop", {"max_scale": float("inf")}, "max_scale"),
        ("scale_crop", {"min_scale": 1.5, "max_scale": 1.2}, "min_scale"),
        ("cutout", {"holes": 0}, "holes"),
        ("cutout", {"holes": 1.5}, "holes"),
        ("cutout", {"size": 1.5}, "size"),
        ("color", {"brightness": 1.5}, "brightness"),
        ("color", {"contrast": -1}, "contrast"),
        ("color", {"saturation": None}, "saturation"),
        ("color", {"hue": 0.6}, "hue"),
        ("noise", {"std": -0.1}, "std"),
        ("blur", {"min_sigma": 0}, "min_sigma"),
        ("blur", {"min_sigma": 2, "max_sigma": 1}, "min_sigma"),
        *((name, {"p": -0.5}, "p") for name in ("cutout", "color", "noise", "blur", "scale_crop")),
    ],
)
def test_bad_arguments_are_named(name: str, arguments: dict[str, Any], culprit: str) -> None:
    with pytest.raises(CnnlibError, match=rf"^{culprit} must"):
        AUGMENTATIONS[name](**arguments)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_argument_has_a_type_and_a_default(name: str) -> None:
    """The config checks options against these signatures."""
    for parameter in inspect.signature(AUGMENTATIONS[name]).parameters.values():
        assert parameter.annotation != parameter.empty
        assert parameter.default is not inspect.Parameter.empty
