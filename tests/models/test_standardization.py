"""Images standardized by the data's own channel statistics, before any model."""

from __future__ import annotations

import copy

import pytest
import torch

from cnnlib.models import MultiTask, ResUNet
from cnnlib.models.standardization import channel_statistics_of, set_channel_statistics, standardize_images
from cnnlib.types import CnnlibError, Head

MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.25, 0.0]


def nets() -> tuple[torch.nn.Module, torch.nn.Module]:
    """One that sees images as they are, and the same that standardizes."""
    torch.manual_seed(0)
    plain = ResUNet(in_channels=3, heads={"mask": Head("map", 1)}, widths=[4, 8]).eval()
    other = copy.deepcopy(plain)
    standardize_images(other, 3)
    return plain, other


def test_the_model_sees_images_less_the_mean_over_the_deviation() -> None:
    plain, net = nets()
    image = torch.rand(2, 3, 16, 16)
    assert torch.equal(net(image)["mask"], plain(image)["mask"])
    set_channel_statistics(net, MEAN, STD)
    wanted = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor([0.2, 0.25, 1.0]).view(3, 1, 1)
    torch.testing.assert_close(net(image)["mask"], plain(wanted)["mask"])


def test_the_channel_statistics_travel_with_the_weights() -> None:
    plain, net = nets()
    set_channel_statistics(net, MEAN, STD)
    _, other = nets()
    other.load_state_dict(net.state_dict())
    statistics = channel_statistics_of(other)
    assert statistics is not None
    assert statistics["mean"] == pytest.approx(MEAN)
    assert statistics["std"] == pytest.approx([0.2, 0.25, 1])
    average = torch.optim.swa_utils.AveragedModel(net, use_buffers=True)
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(average(image)["mask"], net(image)["mask"])
    assert channel_statistics_of(plain) is None


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), "uint8: divide it by 255"),
        (torch.zeros(1, 6, 16, 16), "images of 3 channels; this one has 6"),
        (torch.zeros(3, 16, 16), r"the image must be \(B, C, H, W\); it has shape \(3, 16, 16\)"),
        (torch.zeros(1, 3, 0, 16), "no pixels"),
    ],
    ids=["integers", "channels", "rank", "empty"],
)
def test_a_wrong_image_is_refused_as_without_it(image: torch.Tensor, message: str) -> None:
    for net in nets():
        with pytest.raises((CnnlibError, ValueError), match=message):
            net(image)


def test_no_image_is_standardized_twice() -> None:
    heads = {"mask": Head("map", 1)}
    with pytest.raises(CnnlibError, match=r"the model standardizes images inside.*leave normalize out"):
        standardize_images(MultiTask(3, heads, encoder="resnet18"), 3)
    standardize_images(MultiTask(3, heads, encoder={"name": "resunet", "widths": [4, 8, 16]}), 3)
