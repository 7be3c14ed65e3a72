"""Encoders of SMP: its numbers, an exact partition into stages, and weights from its hub or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn
from torchvision.models import resnet18
from torchvision.transforms.v2.functional import normalize

from cnnlib.models.layers import SmpEncoder
from cnnlib.models.layers.smp_encoder import measure
from cnnlib.types import CnnlibError
from tests.models.smp_names import SMP_NAMES

NAMES = ("resnet18", "vgg11", "efficientnet-b0", "mit_b0", "densenet121", "mobileone_s1")
EACH = pytest.mark.parametrize("name", NAMES)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _encoder(name: str, in_channels: int = 3, **options: Any) -> SmpEncoder:
    torch.manual_seed(0)
    return SmpEncoder(name, in_channels, **options)


def _image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@EACH
def test_same_maps_as_smps_own_encoder(name: str) -> None:
    encoder = _encoder(name).eval()
    theirs = get_encoder(name, weights=None).eval()
    nn.Module.load_state_dict(theirs, encoder.net.state_dict(), strict=name != "efficientnet-b0")
    image = _image(2, 3, 64, 96)
    with torch.no_grad():
        bottom, skips = encoder(image)
        expected = theirs(normalize(image, *IMAGENET))
    torch.testing.assert_close(bottom, expected[-1])
    assert encoder.stride == 32
    assert encoder.skip_channels[1:] == tuple(theirs.out_channels[1:-1])
    assert encoder.out_channels == theirs.out_channels[-1]
    for skip, map_ in zip(skips[1:], expected[1:-1], strict=True):
        if map_.shape[1] == 0:
            assert skip is None
        else:
            torch.testing.assert_close(skip, map_)
    assert (skips[0] is None) == (name != "vgg11")


@pytest.mark.parametrize("output_stride", [8, 16])
def test_a_dilated_encoder_has_larger_maps(output_stride: int) -> None:
    encoder = _encoder("resnet18", output_stride=output_stride).eval()
    theirs = get_encoder("resnet18", weights=None, output_stride=output_stride).eval()
    theirs.load_state_dict(encoder.net.state_dict())
    image = _image(1, 3, 64, 64)
    with torch.no_grad():
        bottom, skips = encoder(image)
        torch.testing.assert_close(bottom, theirs(normalize(image, *IMAGENET))[-1])
    assert bottom.shape[2:] == (64 // output_stride, 64 // output_stride)
    assert len(skips) == len(encoder.skip_channels) == {8: 3, 16: 4}[output_stride]


@pytest.mark.parametrize("name", SMP_NAMES)
def test_stages_partition_all_parameters_and_buffers(name: str) -> None:
    layout = measure(name)
    assert layout.stride == 32
    assert 0 not in layout.skip_channels[2:]
    with torch.device("meta"):
        encoder = SmpEncoder(name, 3)
    assert len(encoder.stages) >= 4
    held = [id(each) for stage in encoder.stages for each in (*stage.parameters(), *stage.buffers())]
    assert len(held) == len({*held})
    assert {*held} == {id(each) for each in (*encoder.parameters(), *encoder.buffers())}


def test_measuring_leaves_the_random_numbers_alone() -> None:
    measure.cache_clear()
    for name in ("resnet18", "mit_b0"):
        torch.manual_seed(0)
        measure(name)
        drawn = torch.rand(3)
        torch.manual_seed(0)
        assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize(
    ("name", "mean"), [("resnet18", 0.485), ("inceptionv4", 0.5), ("xception", 0.5), ("dpn68", 124 / 255)]
)
def test_images_are_standardized_as_the_familys_weights_want_it(name: str, mean: float) -> None:
    with torch.device("meta"):
        SmpEncoder(name, 3)
    assert float(SmpEncoder(name, 6).standardize.mean[3]) == pytest.approx(mean)


# Weights


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {key: value.clone() for key, value in SmpEncoder("resnet18", 3).net.state_dict().items()}


def _saved(folder: Path, state: Any, suffix: str) -> str:
    path = folder / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("channels", "fitted"),
    [
        (3, lambda weight: weight),
        (6, lambda weight: weight.repeat(1, 2, 1, 1) / 2),
        (4, lambda weight: torch.cat([weight, weight[:, :1]], dim=1) * 3 / 4),
        (1, lambda weight: weight.sum(dim=1, keepdim=True)),
    ],
)
def test_weights_come_from_a_file_fitted_to_the_channels(
    tmp_path: Path, state: dict[str, Tensor], suffix: str, channels: int, fitted: Any
) -> None:
    encoder = _encoder("resnet18", channels, weights=_saved(tmp_path, state, suffix))
    assert not torch.equal(
        encoder.net.layer1[0].conv1.weight, state["layer1.0.conv1.weight"]
    )  # not before asked for
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    encoder.load_pretrained()
    assert torch.equal(torch.rand(3), expected)
    found = encoder.net.state_dict()
    torch.testing.assert_close(found.pop("conv1.weight"), fitted(state["conv1.weight"]))
    assert all(torch.equal(value, state[key]) for key, value in found.items())


def test_torchvisions_own_file_of_a_resnet_will_do(tmp_path: Path) -> None:
    whole = resnet18().state_dict()
    encoder = _encoder("resnet18", weights=_saved(tmp_path, whole, ".pth"))
    encoder.load_pretrained()
    assert torch.equal(encoder.net.layer4[1].conv2.weight, whole["layer4.1.conv2.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: {key: value for key, value in state.items() if key != "bn1.bias"},
            r"not the weights of SMP's encoder 'resnet18' .*bn1.bias",
        ),
        (lambda state: state | {"bn1.bias": torch.zeros(3)}, r"size mismatch for bn1.bias"),
        (lambda state: {"epoch": 3}, r"not the weights of SMP's encoder"),
        (lambda state: [1, 2], r"cannot be read as weights"),
    ],
    ids=["missing", "shape", "no weights", "list"],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, state: dict[str, Tensor], change: Any, message: str
) -> None:
    path = _saved(tmp_path, change(state), ".pth")
    with pytest.raises(CnnlibError, match=message) as caught:
        _encoder("resnet18", weights=path).load_pretrained()
    assert path in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_cut_file_is_named(tmp_path: Path, state: dict[str, Tensor], suffix: str) -> None:
    path = Path(_saved(tmp_path, state, suffix))
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CnnlibError, match=r"weights\.\w+: cannot be read as weights"):
        _encoder("resnet18", weights=str(path)).load_pretrained()


def test_a_file_that_is_not_there_is_named() -> None:
    message = r"no/such.pth: no such file; weights must be one of imagenet, .*swsl.*or a file"
    with pytest.raises(CnnlibError, match=message):
        _encoder("resnet18", weights="no/such.pth").load_pretrained()


def test_without_network_the_error_tells_what_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(CnnlibError, match=r"'imagenet' of SMP's 'mit_b0' could not be fetched") as caught:
        _encoder("mit_b0", weights="imagenet").load_pretrained()
    assert "model.safetensors of smp-hub/mit_b0.imagenet on the Hugging Face hub" in str(caught.value)
    assert "set weights to the path of the file" in str(caught.value)


def test_imagenet_is_what_smp_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]
) -> None:
    """As on a machine with network: where SMP asks the hub, it is given a file."""
    asked = []
    file = _saved(tmp_path, state, ".safetensors")
    monkeypatch.setattr(
        "segmentation_models_pytorch.encoders.hf_hub_download",
        lambda repository, filename, revision: asked.append((repository, filename)) or file,
    )
    encoder = _encoder("resnet18", 6, weights="imagenet")
    assert not asked
    encoder.load_pretrained()
    assert ("smp-hub/resnet18.imagenet", "model.safetensors") in asked
    torch.testing.assert_close(encoder.net.conv1.weight.data, state["conv1.weight"].repeat(1, 2, 1, 1) / 2)
