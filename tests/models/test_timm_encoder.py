"""Nets of timm as encoders: the same numbers as timm's, an exact partition into stages, and weights from a file."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize

from cnnlib.models.layers import Standardize, TimmEncoder
from cnnlib.models.layers.timm_layout import measure
from cnnlib.types import CnnlibError

SMALL = "test_efficientnet"
FAMILIES = {
    "efficientnet_b0": (0, 16, 24, 40, 112),
    "resnet18": (0, 64, 64, 128, 256),
    "mobilenetv3_small_100": (0, 16, 16, 24, 48),
    "convnext_atto": (0, 0, 40, 80, 160),
    "regnetx_002": (0, 32, 24, 56, 152),
    "legacy_xception": (0, 64, 128, 256, 728),
    "poolformer_s12": (0, 0, 64, 128, 320),
    "test_vit": (0, 0, 0, 0),
}
"""Of some the channels of the maps of stride 1, 2, 4, ..., as their papers have them."""
EACH = pytest.mark.parametrize("name", FAMILIES)
NORMAL = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _encoder(name: str, in_channels: int = 3, **options: Any) -> TimmEncoder:
    torch.manual_seed(0)
    return TimmEncoder(name, in_channels, **options)


def _image(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_efficientnet_b0_is_the_published_net_without_its_classifier() -> None:
    with torch.device("meta"):
        whole, encoder = timm.create_model("efficientnet_b0"), TimmEncoder("efficientnet_b0", 3)
    assert _count(whole) == 5_288_548  # Tan and Le, 2019: 5.3 million
    assert _count(encoder) == _count(whole) - _count(whole.get_classifier()) == 4_007_548


@EACH
def test_skips_and_bottom_have_the_sizes_and_channels_that_the_encoder_tells(name: str) -> None:
    encoder = _encoder(name, in_channels=6)
    assert encoder.skip_channels == FAMILIES[name]
    assert encoder.stride == 2 ** len(encoder.skip_channels)
    bottom, skips = encoder(_image(2, 6, 64, 96))
    assert bottom.shape == (2, encoder.out_channels, 64 // encoder.stride, 96 // encoder.stride)
    assert [0 if skip is None else skip.shape[1] for skip in skips] == list(encoder.skip_channels)
    assert all(
        skip is None or skip.shape[2:] == (64 // 2**level, 96 // 2**level) for level, skip in enumerate(skips)
    )


def test_a_net_may_have_a_map_of_the_images_size() -> None:
    with torch.device("meta"):
        encoder = TimmEncoder("vgg11", 3)
        _, skips = encoder(torch.empty(1, 3, 32, 64))
    assert encoder.skip_channels == (64, 128, 256, 512, 512)
    assert [tuple(skip.shape[2:]) for skip in skips] == [(32, 64), (16, 32), (8, 16), (4, 8), (2, 4)]


@EACH
def test_every_parameter_matters_to_the_bottom(name: str) -> None:
    encoder = _encoder(name)
    bottom, _ = encoder(_image(2, 3, 64, 64))
    (bottom * _image(*bottom.shape)).sum().backward()
    assert [key for key, value in encoder.named_parameters() if value.grad is None] == []


@pytest.mark.parametrize("name", ["efficientnet_b0", "resnet18", "regnetx_002"])
def test_same_numbers_as_timms_own_features(name: str) -> None:
    encoder = _encoder(name).eval()
    whole = timm.create_model(name, num_classes=0, global_pool="").eval()
    whole.load_state_dict(encoder.net.state_dict())
    features = timm.create_model(name, features_only=True).eval()
    features.load_state_dict(encoder.net.state_dict(), strict=False)
    image = _image(2, 3, 64, 96)
    with torch.no_grad():
        bottom, skips = encoder(image)
        torch.testing.assert_close(bottom, whole(normalize(image, *NORMAL)))
        expected = features(normalize(image, *NORMAL))
    assert skips[0] is None
    for skip, map_ in zip(skips[1:], expected[:-1], strict=True):
        torch.testing.assert_close(skip, map_)


def test_a_transformers_bottom_is_its_last_normalised_map() -> None:
    encoder = _encoder("test_vit").eval()
    image = _image(2, 3, 64, 96)
    with torch.no_grad():
        tokens = encoder.net.forward_features(normalize(image, (0.5,) * 3, (0.5,) * 3))
        bottom, _ = encoder(image)
    patches = tokens[:, encoder.net.num_prefix_tokens :]
    torch.testing.assert_close(bottom, patches.transpose(1, 2).reshape(2, -1, 4, 6))


def test_what_convolutions_without_padding_lose_is_repeated_at_the_border() -> None:
    encoder = _encoder("legacy_xception").eval()
    inner: list[Tensor] = []
    encoder.net.bn2.register_forward_hook(lambda _, __, output: inner.append(output))
    with torch.no_grad():
        skip = encoder(_image(1, 3, 64, 64))[1][1]
    (inside,) = (value.relu() for value in inner)
    assert inside.shape[2:] == (29, 29)
    torch.testing.assert_close(skip[:, :, 1:30, 1:30], inside)
    assert torch.equal(skip[:, :, 0], skip[:, :, 1])
    assert torch.equal(skip[..., 31], skip[..., 29])


def test_images_are_standardized_as_the_weights_want_it() -> None:
    pair = _image(2, 6, 5, 4)
    expected = torch.cat([normalize(each, *NORMAL) for each in pair.chunk(2, dim=1)], dim=1)
    torch.testing.assert_close(Standardize(*NORMAL, 6)(pair), expected)
    grey = pair[:, :1]
    mean, std = (sum(values) / 3 for values in NORMAL)
    torch.testing.assert_close(Standardize(*NORMAL, 1)(grey), normalize(grey, [mean], [std]))
    assert not Standardize(*NORMAL, 3).state_dict()


# Stages


@EACH
def test_stages_partition_all_parameters_and_buffers(name: str) -> None:
    encoder = _encoder(name)
    parts = [{id(each) for each in (*stage.parameters(), *stage.buffers())} for stage in encoder.stages]
    whole = {id(each) for each in (*encoder.parameters(), *encoder.buffers())}
    assert len(parts) > 1
    assert all(parts)
    assert sum(map(len, parts)) == len(whole)
    assert set.union(*parts) == whole


@EACH
def test_no_layer_stands_in_two_stages(name: str) -> None:
    """So that one stage can be frozen, batch statistics included, and the next not."""
    layers = [
        {id(layer) for layer in stage.modules() if list(layer.parameters(recurse=False))}
        for stage in _encoder(name).stages
    ]
    assert sum(map(len, layers)) == len(set.union(*layers))


@EACH
def test_stages_stand_in_the_order_of_computation(name: str) -> None:
    encoder, order = _encoder(name).eval(), []
    for number, stage in enumerate(encoder.stages):
        for layer in stage.modules():
            if list(layer.parameters(recurse=False)) and not list(layer.children()):
                layer.register_forward_hook(lambda *_, number=number: order.append(number))
    with torch.no_grad():
        encoder(_image(1, 3, 64, 64))
    assert order == sorted(order)
    assert set(order) == set(range(len(encoder.stages)))


def test_efficientnets_stages_are_its_stem_and_its_seven_rows_of_blocks() -> None:
    encoder = _encoder("efficientnet_b0")
    stages = [{id(each) for each in stage.parameters()} for stage in encoder.stages]
    net = encoder.net
    groups = [[net.conv_stem, net.bn1], *([row] for row in net.blocks)]
    groups[-1] += [net.conv_head, net.bn2]
    assert stages == [{id(each) for layer in group for each in layer.parameters()} for group in groups]


# Names and sizes


def test_an_unknown_name_is_told_its_nearest() -> None:
    with pytest.raises(CnnlibError, match=r"timm has no net 'resnet81' \(did you mean 'resnet\d+'\?\)"):
        TimmEncoder("resnet81", 3)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "local-dir:/tmp", "/etc/passwd", ""])
def test_only_names_of_timms_list_are_nets(name: str) -> None:
    with pytest.raises(CnnlibError, match="timm has no net"):
        TimmEncoder(name, 3)


def test_a_net_that_cannot_be_an_encoder_is_refused_with_timms_reason() -> None:
    with pytest.raises(
        CnnlibError, match=r"'resnet18.no_such' cannot be used as an encoder .*Invalid pretrained tag"
    ):
        TimmEncoder("resnet18.no_such", 3)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crossvit_9_240", "Sizes of tensors must match"),  # its maps are of several sizes and branches
        (
            "cait_xxs24_224",
            "'Identity' object is not iterable",
        ),  # what leads to the classifier cannot be left out
        ("levit_128", "broadcast"),  # no multiple of its stride is the one size that it takes
    ],
)
def test_a_net_that_would_fail_later_is_refused_when_it_is_made(name: str, reason: str) -> None:
    with (
        torch.device("meta"),
        pytest.raises(CnnlibError, match=rf"'{name}' cannot be used as an encoder .*{reason}"),
    ):
        TimmEncoder(name, 3)


@pytest.mark.parametrize("name", ["rdnet_tiny", "qwen3_vit_88m"])
def test_stages_of_nets_without_coarse_groups_or_with_a_part_that_holds_all(name: str) -> None:
    with torch.device("meta"):
        encoder = TimmEncoder(name, 3)
    held = [id(each) for stage in encoder.stages for each in (*stage.parameters(), *stage.buffers())]
    assert len(encoder.stages) > 1
    assert len(held) == len({*held})
    assert {*held} == {id(each) for each in (*encoder.parameters(), *encoder.buffers())}


def test_a_net_for_one_size_takes_that_and_names_it_to_others() -> None:
    encoder = _encoder("test_vit_relpos").eval()
    with torch.no_grad():
        assert encoder(_image(1, 3, 160, 160))[0].shape == (1, 96, 10, 10)
    with pytest.raises(
        CnnlibError,
        match=r"'test_vit_relpos' takes no images of 64 x 96 pixels \(.*it was made for 160 x 160: set the",
    ):
        encoder(_image(1, 3, 64, 96))


def test_other_failures_are_not_blamed_on_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = _encoder(SMALL)
    monkeypatch.setattr(
        encoder.net, "forward_intermediates", lambda *_, **__: (_ for _ in ()).throw(MemoryError)
    )
    with pytest.raises(MemoryError):
        encoder(_image(2, 3, 64, 64))


def test_measuring_leaves_the_random_numbers_alone() -> None:
    measure.cache_clear()
    torch.manual_seed(0)
    measure(SMALL, 3)
    drawn = torch.rand(3)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(3))


# Weights


@pytest.fixture
def whole() -> dict[str, Tensor]:
    """The state of a whole net, with its classifier, as if trained on three channels."""
    torch.manual_seed(1)
    net = timm.create_model(SMALL)
    for value in net.state_dict().values():
        if value.is_floating_point():
            value.add_(torch.rand_like(value))
    return net.state_dict()


def _saved(folder: Path, state: dict[str, Tensor], suffix: str = ".pth") -> str:
    path = folder / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_come_from_a_file(tmp_path: Path, whole: dict[str, Tensor], suffix: str) -> None:
    encoder = _encoder(SMALL, weights=_saved(tmp_path, whole, suffix))
    before = {key: value.clone() for key, value in encoder.net.state_dict().items()}
    assert not torch.equal(
        before["conv_stem.weight"], whole["conv_stem.weight"]
    )  # not before they are asked for
    torch.manual_seed(2)
    expected = torch.rand(3)
    torch.manual_seed(2)
    encoder.load_pretrained()
    assert torch.equal(torch.rand(3), expected)
    state = encoder.net.state_dict()
    assert state.keys() == {key for key in whole if not key.startswith("classifier.")}
    assert all(torch.equal(value, whole[key]) for key, value in state.items())


@pytest.mark.parametrize(
    ("channels", "fitted"),
    [(6, lambda weight: weight.repeat(1, 2, 1, 1) / 2), (1, lambda weight: weight.sum(dim=1, keepdim=True))],
)
def test_the_first_convolution_is_fitted_to_other_channels(
    tmp_path: Path, whole: dict[str, Tensor], channels: int, fitted: Callable[[Tensor], Tensor]
) -> None:
    encoder = _encoder(SMALL, channels, weights=_saved(tmp_path, whole))
    encoder.load_pretrained()
    torch.testing.assert_close(encoder.net.conv_stem.weight.data, fitted(whole["conv_stem.weight"]))
    assert torch.equal(encoder.net.bn2.running_var, whole["bn2.running_var"])


def test_a_file_may_hold_more_or_lack_counters(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    """Checkpoints of timm's trainer hold ``state_dict``; files of PyTorch 0.3 no ``num_batches_tracked``."""
    state = {f"module.{key}": value for key, value in whole.items() if "num_batches" not in key}
    encoder = _encoder(SMALL, weights=_saved(tmp_path, {"epoch": 3, "state_dict": state}))
    encoder.load_pretrained()
    assert torch.equal(encoder.net.conv_stem.weight, whole["conv_stem.weight"])


def _without(whole: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: value for name, value in whole.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda whole: _without(whole, "bn2.bias"),
            r"lacks 1 of its tensors, such as 'bn2.bias'; save the state",
        ),
        (
            lambda whole: whole | {"bn2.bias": torch.zeros(3)},
            r"not the weights of .*size mismatch for bn2.bias",
        ),
        (lambda whole: whole | {"conv_stem.weight": torch.zeros(16, 5, 3, 3)}, r"conv_stem weight shape"),
        (lambda _: timm.create_model("test_resnet").state_dict(), r"lacks \d+ of its tensors"),
        (lambda _: {"epoch": 3}, r"lacks \d+ of its tensors"),
        (lambda _: [1, 2], r"cannot be read as weights"),
    ],
    ids=["missing", "shape", "channels", "other net", "no weights", "list"],
)
def test_a_file_that_does_not_fit_is_refused(
    tmp_path: Path, whole: dict[str, Tensor], change: Callable[[Any], Any], message: str
) -> None:
    path = _saved(tmp_path, change(whole))
    with pytest.raises(CnnlibError, match=message) as caught:
        _encoder(SMALL, weights=path).load_pretrained()
    assert path in str(caught.value)


class Harmful:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.file),))


def test_a_file_runs_no_code(tmp_path: Path, whole: dict[str, Tensor]) -> None:
    made = tmp_path / "made"
    with pytest.raises(CnnlibError, match="cannot be read as weights"):
        _encoder(SMALL, weights=_saved(tmp_path, whole | {"x": Harmful(made)})).load_pretrained()
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Harmful(made)))
    with pytest.raises(CnnlibError, match="cannot be read as weights"):
        _encoder(SMALL, weights=str(tmp_path / "plain.pth")).load_pretrained()
    assert not made.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("length", [0, 7, 500])
def test_a_cut_file_is_named(tmp_path: Path, whole: dict[str, Tensor], suffix: str, length: int) -> None:
    path = Path(_saved(tmp_path, whole, suffix))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CnnlibError, match=r"weights\.\w+: cannot be read as weights"):
        _encoder(SMALL, weights=str(path)).load_pretrained()


@pytest.mark.parametrize("path", ["no/such.pth", "."])
def test_a_file_that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(CnnlibError, match=r": no such file; weights must be 'imagenet', or a file"):
        _encoder(SMALL, weights=path).load_pretrained()


def test_without_network_the_error_tells_what_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    encoder = _encoder("efficientnet_b0", weights="imagenet")
    with pytest.raises(CnnlibError, match="could not be fetched") as caught:
        encoder.load_pretrained()
    source = timm.get_pretrained_cfg("efficientnet_b0")
    assert source.url in str(caught.value)
    assert f"model.safetensors of {source.hf_hub_id} on" in str(caught.value)
    assert "set weights to the path of the file" in str(caught.value)


def test_imagenet_is_what_timm_loads(monkeypatch: pytest.MonkeyPatch, whole: dict[str, Tensor]) -> None:
    """As on a machine with network: where timm's loader asks the hub, it is given a state."""
    asked = []
    monkeypatch.setattr(
        "timm.models._builder.load_state_dict_from_hf", lambda *name, **_: asked.append(name) or dict(whole)
    )
    encoder = _encoder(SMALL, weights="imagenet")
    encoder.load_pretrained()
    assert asked == [(timm.get_pretrained_cfg(SMALL).hf_hub_id,)]
    assert torch.equal(encoder.net.conv_stem.weight, whole["conv_stem.weight"])


def test_a_net_without_published_weights_is_named() -> None:
    message = "timm has no published weights for 'botnet50ts_256'; set weights to null or"
    with torch.device("meta"), pytest.raises(CnnlibError, match=message):
        TimmEncoder("botnet50ts_256", 3, "imagenet").load_pretrained()
