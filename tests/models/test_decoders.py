"""Decoders: the numbers of the same nets assembled by segmentation-models-pytorch's own classes."""

from __future__ import annotations

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize

from cnnlib.models import MultiTask
from cnnlib.models.decoders import DECODERS
from cnnlib.types import CnnlibError, Head

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def _random_state(model: nn.Module) -> None:
    """Every weight and statistic off its beginning, so that one that is left out is seen."""
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator)
            if name.endswith("running_var"):
                value.copy_(0.5 + noise)
            else:
                value.add_(0.1 * (noise - 0.5))


def _as_smp_calls_it(state: dict[str, Tensor]) -> dict[str, Tensor]:
    prefixes = {
        "encoder.net.": "encoder.",
        "decoders.m.net.": "decoder.",
        "heads.m.conv.": "segmentation_head.0.",
    }
    return {
        new + key.removeprefix(old): value
        for key, value in state.items()
        for old, new in prefixes.items()
        if key.startswith(old)
    }


def _same(
    ours: nn.Module, theirs: nn.Module, state: dict[str, Tensor], statistics: Any, training: bool
) -> None:
    theirs.load_state_dict(state)
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.manual_seed(2)  # of dropout
        found = ours.train(training)(image)["m"]
        torch.manual_seed(2)
        expected = theirs.train(training)(normalize(image, *statistics))
    assert expected.std() > 1e-3
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def _dilated(decoder: str, theirs: Any, stride: int, channels: int) -> tuple[Any, Any, Any, Any]:
    """With other than SMP's own options."""
    rates = [2, 4, 6]
    return (
        {"name": "resnet18", "output_stride": stride},
        {"name": decoder, "dropout": 0.2, "atrous_rates": rates, "channels": channels},
        theirs,
        {
            "decoder_aspp_dropout": 0.2,
            "encoder_output_stride": stride,
            "decoder_atrous_rates": tuple(rates),
            "decoder_channels": channels,
        },
    )


NETS: dict[str, tuple[Any, Any, Any, Any]] = {
    "unet": ("resnet18", "unet", smp.Unet, {}),
    "unet with scse": (
        "resnet18",
        {"name": "unet", "attention": "scse"},
        smp.Unet,
        {"decoder_attention_type": "scse"},
    ),
    "unet of vgg": ("vgg11_bn", {"name": "unet", "center": True}, smp.Unet, {}),
    "unet of mit": (
        "mit_b0",
        {"name": "unet", "channels": [64, 32, 16, 16, 8]},
        smp.Unet,
        {"decoder_channels": (64, 32, 16, 16, 8)},
    ),
    "unetplusplus": ("resnet18", "unetplusplus", smp.UnetPlusPlus, {}),
    "fpn": ("resnet18", "fpn", smp.FPN, {}),
    "fpn, cat": (
        "densenet121",
        {"name": "fpn", "dropout": 0.4, "merge": "cat", "pyramid_channels": 32, "channels": 64},
        smp.FPN,
        {
            "decoder_dropout": 0.4,
            "decoder_merge_policy": "cat",
            "decoder_pyramid_channels": 32,
            "decoder_segmentation_channels": 64,
        },
    ),
    "deeplabv3, 8": (
        {"name": "resnet18", "output_stride": 8},
        {"name": "deeplabv3", "channels": 32},
        smp.DeepLabV3,
        {"decoder_channels": 32},
    ),
    "deeplabv3, 16": _dilated("deeplabv3", smp.DeepLabV3, stride=16, channels=32),
    "deeplabv3plus, 16": (
        {"name": "resnet18", "output_stride": 16},
        "deeplabv3plus",
        smp.DeepLabV3Plus,
        {},
    ),
    "deeplabv3plus, 8": _dilated("deeplabv3plus", smp.DeepLabV3Plus, stride=8, channels=64),
    "manet": ("resnet18", "manet", smp.MAnet, {}),
    "segformer": ("mit_b0", "segformer", smp.Segformer, {}),
    "segformer of resnet": (
        "resnet18",
        {"name": "segformer", "channels": 32},
        smp.Segformer,
        {"decoder_segmentation_channels": 32},
    ),
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("net", NETS)
def test_same_numbers_as_smps_own_model(net: str, training: bool) -> None:
    encoder, decoder, theirs, options = NETS[net]
    torch.manual_seed(0)
    ours = MultiTask(3, {"m": Head("map", 5)}, encoder, decoder)
    _random_state(ours)
    name = encoder if isinstance(encoder, str) else encoder["name"]
    other = theirs(name, encoder_weights=None, classes=5, **options)
    _same(ours, other, _as_smp_calls_it(ours.state_dict()), IMAGENET, training)


@pytest.mark.parametrize("readout", ["cat", "add", "ignore"])
def test_dpt_has_the_numbers_of_smps_but_for_the_norm_of_the_last_block(readout: str) -> None:
    options = {"widths": [8, 16, 16, 8], "channels": 16, "readout": readout}
    torch.manual_seed(0)
    ours = MultiTask(3, {"m": Head("map", 5)}, "test_vit", {"name": "dpt", **options})
    _random_state(ours)
    theirs = smp.DPT(
        "tu-test_vit",
        encoder_weights=None,
        decoder_readout=readout,
        decoder_intermediate_channels=(8, 16, 16, 8),
        decoder_fusion_channels=16,
        classes=5,
        dynamic_img_size=True,
        num_classes=0,
    )
    net = theirs.encoder.model
    given = net.forward_intermediates
    net.forward_intermediates = lambda *args, **options: [
        *given(*args, **options)[:-1],
        given(*args, norm=True, **options)[-1],
    ]
    prefixes = {
        "encoder.net.": "encoder.model.",
        "decoders.m.net.": "decoder.",
        "decoders.m.tail.": "segmentation_head.head.",
        "heads.m.conv.": "segmentation_head.head.4.",
    }
    state = {
        new + key.removeprefix(old): value
        for key, value in ours.state_dict().items()
        for old, new in prefixes.items()
        if key.startswith(old)
    }
    _same(ours, theirs, state, HALF, training=True)


NOT_OF_SMP = {"resunet"}
"""They begin as PyTorch's layers do."""


@pytest.mark.parametrize("decoder", [name for name in DECODERS if name not in NOT_OF_SMP])
def test_decoders_begin_as_smps_do(decoder: str) -> None:
    """Convolutions' biases are 0 where SMP's initialisation sets them to 0."""
    encoder = "test_vit" if DECODERS[decoder].needs_blocks else "test_resnet"
    model = MultiTask(3, {"m": Head("map", 1)}, encoder, decoder)
    convolutions = [
        each for each in model.decoders.modules() if isinstance(each, nn.Conv2d) and each.bias is not None
    ]
    zero = all(not each.bias.any() for each in convolutions)
    assert zero, f"call begin_as_smp, or add {decoder} to NOT_OF_SMP"


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        ("test_vit", "fpn", r"fpn needs the encoder's maps of four strides.*of stride 16, lacks some: take"),
        ("test_vit", "deeplabv3plus", r"deeplabv3plus needs the encoder's map of stride 4.*take the decoder unet"),
        ("test_vit", "unetplusplus", r"unetplusplus needs the encoder's maps of all strides from 4 on"),
        ("test_resnet", "dpt", r"dpt needs a vision transformer of timm, such as vit_small_patch14_dinov2"),
        ("vit_tiny_patch16_224", "resunetplus", r"no decoder is named 'resunetplus' \(did you mean 'resunet'\?\)"),
        ("eva02_tiny_patch14_224", "unet", r"makes images 14 times smaller.*take the decoder dpt or segformer"),
        ("eva02_tiny_patch14_224", "resunet", r"makes images 14 times smaller"),
        (
            "test_resnet",
            {"name": "unet", "channels": [8, 8]},
            r"channels must be 5 numbers, one for each level of the encoder from coarse to fine; there are 2",
        ),
        ("test_resnet", {"name": "resunet", "channels": [8, 8]}, r"channels must be 5 numbers"),
        ("test_resnet", {"name": "unet", "chanels": [8]}, r"'unet' has no option 'chanels' \(did you mean 'channels'"),
        ("test_resnet", {"name": "unet", "encoder": "x"}, r"decoder 'unet' has no option 'encoder'"),
        ("test_resnet", {"name": "fpn", "channels": 65}, r"decoder 'fpn': channels must be a multiple of 32; it is 65"),
        ("test_resnet", {"name": "fpn", "merge": "max"}, r"decoder 'fpn': merge must be 'add' or 'cat'; it is 'max'"),
        ("test_resnet", {"name": "deeplabv3plus", "atrous_rates": [1, 2]}, r"atrous_rates must be a list of at least"),
        ("test_resnet", {"channels": [8]}, r"decoder must be a name, or a mapping with one under name"),
        ("test_resnet", {"name": 3}, r"decoder must be a name"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_told(encoder: str, decoder: Any, message: str) -> None:
    with torch.device("meta"), pytest.raises(CnnlibError, match=message):
        MultiTask(3, {"m": Head("map", 1)}, encoder, decoder)


def test_a_decoder_of_ones_own() -> None:
    model = MultiTask(
        3, {"m": Head("map", 2)}, "test_resnet", {"name": "tests.models.bottom_decoder.Bottom", "gain": 3.0}
    )
    assert model(torch.rand(2, 3, 40, 30))["m"].shape == (2, 2, 40, 30)
    with pytest.raises(
        CnnlibError, match=r"cannot serve as a decoder: it must be a class that derives from .*MapDecoder"
    ):
        MultiTask(3, {"m": Head("map", 2)}, "test_resnet", "torch.nn.Conv2d")
