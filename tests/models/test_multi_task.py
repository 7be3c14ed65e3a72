"""``multi_task``: the contract with each decoder, encoders of every family, what is shared, weights, suites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models import get_model_weights

from cnnlib.assembly import make_trainer, open_data
from cnnlib.config import load_suite
from cnnlib.engine.freezing import encoder_stages
from cnnlib.experiment import run_experiment
from cnnlib.inference import load_run
from cnnlib.models import MultiTask
from cnnlib.models.decoders import DECODERS
from cnnlib.models.encoders import ENCODERS as FAMILIES
from cnnlib.models.encoders import FeatureSource, make_encoder
from cnnlib.models.layers import SmpEncoder, TimmEncoder
from cnnlib.models.parts import name_and_options
from cnnlib.reporting.progress import SilentProgress
from cnnlib.suite import plan
from cnnlib.types import CnnlibError, Head
from tests.model_contract import HEADS, MODEL_CONTRACT, Case, trains_every_parameter
from tests.models.smp_names import SMP_NAMES
from tests.tiny_suite import write_suite
from tools.run_suite import main as run_suite

MAPS = {"b": Head("map", 2), "v": Head("map", 3), "a": Head("map", 1)}
MIXED = {"mask": Head("map", 1), "normals": Head("map", 3), "label": Head("vector", 5)}
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Head]]] = {
    "unetplusplus": ({"decoder": {"name": "unetplusplus", "channels": [16, 16, 16, 8, 8]}}, HEADS),
    "fpn": ({"decoder": {"name": "fpn", "pyramid_channels": 16, "channels": 64, "dropout": 0.0}}, HEADS),
    "deeplabv3": ({"decoder": {"name": "deeplabv3", "channels": 16, "dropout": 0.0}}, HEADS),
    "deeplabv3plus": ({"decoder": {"name": "deeplabv3plus", "channels": 16, "dropout": 0.0}}, HEADS),
    "manet": ({"decoder": {"name": "manet", "channels": [16, 16, 16, 8, 8]}}, HEADS),
    "segformer": ({"decoder": {"name": "segformer", "channels": 16}}, HEADS),
    "dpt": (
        {
            "encoder": "test_vit",
            "decoder": {"name": "dpt", "widths": [8, 8, 16, 16], "channels": 8, "dropout": 0.0},
        },
        HEADS,
    ),
    "resunet": ({"encoder": {"name": "resunet", "widths": [8, 8, 16]}, "decoder": "resunet"}, HEADS),
    "shared": ({"decoder": {"name": "unet", "channels": [16, 16, 16, 8, 8]}, "share": "decoder"}, MAPS),
    "cross_stitch": (
        {
            "decoder": {"name": "segformer", "channels": 16},
            "exchange": {"name": "cross_stitch", "own": 0.7},
        },
        HEADS,
    ),
    "cross_stitch of ours": (
        {
            "encoder": {"name": "resunet", "widths": [8, 16]},
            "decoder": "resunet",
            "share": "decoder",
            "exchange": {"name": "cross_stitch", "per": "stage"},
        },
        MAPS,
    ),
    "mtan": ({"decoder": {"name": "unet", "channels": [16, 16, 16, 8, 8]}, "exchange": "mtan"}, HEADS),
    "padnet": ({"decoder": {"name": "segformer", "channels": 16}, "exchange": "padnet"}, MAPS),
    "smp": ({"encoder": "resnet18", "decoder": {"name": "unet", "channels": [16, 16, 16, 8, 8]}}, HEADS),
}


def test_every_decoder_keeps_the_contract() -> None:
    tried = {name_and_options(options["decoder"], "decoder")[0] for options, _ in VARIANTS.values()}
    assert tried == DECODERS.keys(), "add a variant of the decoder to VARIANTS above"


NOT_KEPT = {("manet", trains_every_parameter)}
"""MA-Net weighs channels through a ReLU on a few values per image, which may all be below 0 when training begins."""
KEPT = [
    pytest.param(variant, promise, id=f"{variant}-{promise.__name__}")
    for variant in VARIANTS
    for promise in MODEL_CONTRACT
    if (variant, promise) not in NOT_KEPT
]


@pytest.mark.parametrize(("variant", "promise"), KEPT)
def test_contract(variant: str, promise: Any) -> None:
    options, heads = VARIANTS[variant]
    options = {"encoder": "test_efficientnet", "dropout": 0.0} | options
    promise(Case(lambda **given: MultiTask(**given, **options), heads))


def test_every_parameter_of_manet_has_a_gradient() -> None:
    torch.manual_seed(0)
    model = MultiTask(3, {"m": Head("map", 1)}, "test_efficientnet", VARIANTS["manet"][0]["decoder"])
    model(torch.rand(2, 3, 64, 64))["m"].square().mean().backward()
    assert [name for name, each in model.named_parameters() if each.grad is None] == []


ENCODERS = (
    *SMP_NAMES, "resnext50_32x4d", "timm-tf_efficientnet_lite0", "mobileone_s0",
    "tu-resnet18", "resnet18d", "resnet26t", "efficientnet_b0", "efficientnetv2_rw_t", "mobilenetv3_small_050",
    "mobilenetv4_conv_small_035", "vgg11_bn", "convnext_atto", "convnextv2_atto", "regnetx_002", "regnety_002",
    "densenet121", "dla34", "hrnet_w18_small", "pvt_v2_b0", "efficientvit_b0", "mobilevit_xxs", "edgenext_xx_small",
    "poolformer_s12", "resnest14d", "ghostnet_050", "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256",
    "vit_tiny_patch16_224", "deit_tiny_patch16_224", "eva02_tiny_patch14_224", "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3", "resunet", "phone_locator",
)  # fmt: skip
"""Of every family of SMP's, of many of timm's, and ours: the smallest."""


def has_the_maps_that_it_tells(
    encoder: FeatureSource, bottom: Tensor, skips: Sequence[Tensor | None]
) -> None:
    """A skip for each stride of 1, 2, 4, ... below that of the bottom, or for none."""
    height, width = (side * encoder.stride for side in bottom.shape[2:])
    assert bottom.shape[1] == encoder.out_channels
    strides = [2**level for level in range(len(encoder.skip_channels))]
    assert not strides or encoder.stride == 2 * strides[-1]
    told = [
        (2, channels, height // stride, width // stride) if channels else None
        for channels, stride in zip(encoder.skip_channels, strides, strict=True)
    ]
    assert [None if skip is None else tuple(skip.shape) for skip in skips] == told


def test_an_encoder_of_every_family_is_tried() -> None:
    known = {name: family for family in reversed(FAMILIES) for name in FAMILIES[family].names()}
    assert {known[name] for name in ENCODERS} == FAMILIES.keys(), "add a name of the family to ENCODERS above"


@pytest.mark.parametrize("name", dict.fromkeys(ENCODERS))
def test_an_encoder_runs_forward_and_backward(name: str) -> None:
    torch.manual_seed(0)
    options = {"decoder": {"name": "segformer", "channels": 8}}
    model = MultiTask(6, {"m": Head("map", 2), "v": Head("vector", 3)}, name, **options)
    seen: list[Any] = []
    model.encoder.register_forward_hook(lambda *call: seen.append(call[-1]))
    outputs = model(torch.rand(2, 6, 40, 64))
    has_the_maps_that_it_tells(model.encoder, *seen[0])
    assert {task: value.shape for task, value in outputs.items()} == {"m": (2, 2, 40, 64), "v": (2, 3)}
    sum((value - 1).square().mean() for value in outputs.values()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
    first = next(model.encoder.parameters())
    assert first.grad.any()
    assert len(encoder_stages(model)) >= 2


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet18", "resnet18"),
        ("resnet50", "resnet50"),
        ("resnext50_32x4d", "resnext50_32x4d"),
        ("densenet121", "densenet121"),
        ("mobilenet_v2", "mobilenet_v2"),
        ("tu-resnet34", "resnet34"),
        ("efficientnet_b0", "efficientnet_b0"),
        ("swin_tiny_patch4_window7_224", "swin_t"),
        ("vit_base_patch16_224", "vit_b_16"),
    ],
)
def test_as_many_parameters_as_torchvision_publishes(name: str, published: str) -> None:
    """Its tables give whole nets, with a linear classifier of 1000 classes."""
    with torch.device("meta"):
        encoder = make_encoder(name, in_channels=3)
    whole = get_model_weights(published).IMAGENET1K_V1.meta["num_params"]
    assert sum(each.numel() for each in encoder.parameters()) == whole - 1000 * (encoder.out_channels + 1)


def test_a_name_of_smp_is_smps_and_others_are_timms() -> None:
    with torch.device("meta"):
        assert isinstance(make_encoder("resnet18", 3), SmpEncoder)
        assert isinstance(make_encoder("tu-resnet18", 3), TimmEncoder)
        for name in ("vit_tiny_patch16_224.augreg_in21k_ft_in1k", "resnet50.a1_in1k"):
            tagged = make_encoder(name, 3)
            assert isinstance(tagged, TimmEncoder)
            assert tagged.name == name


# What is shared


def test_each_map_has_a_decoder_of_its_own_or_all_have_one() -> None:
    with torch.device("meta"):
        own, one = (MultiTask(3, MIXED, "resnet18", share=share) for share in ("encoder", "decoder"))
    assert list(own.decoders) == ["mask", "normals"]
    assert list(one.decoders) == ["shared"]
    assert own.decoders["mask"].state_dict().keys() == one.decoders["shared"].state_dict().keys()
    assert {*one.shared_parameters()} == {*one.encoder.parameters()}  # the label needs no decoder
    maps = {task: head for task, head in MIXED.items() if head.shape == "map"}
    with torch.device("meta"):
        one = MultiTask(3, maps, "resnet18", share="decoder")
    assert {*one.shared_parameters()} == {*one.encoder.parameters(), *one.decoders.parameters()}


def test_a_task_may_be_called_shared() -> None:
    heads = {"shared": Head("map", 1), "other": Head("map", 2)}
    for share in ("encoder", "decoder"):
        model = MultiTask(3, heads, "test_resnet", share=share)
        assert {task: value.shape[1] for task, value in model(torch.rand(2, 3, 32, 32)).items()} == {
            "shared": 1,
            "other": 2,
        }


def test_without_maps_there_is_no_decoder() -> None:
    model = MultiTask(3, {"label": Head("vector", 4)}, "eva02_tiny_patch14_224", "dpt")
    assert not model.decoders
    assert model(torch.rand(2, 3, 30, 40))["label"].shape == (2, 4)


# Sizes


@pytest.mark.parametrize("size", [(28, 56), (30, 57), (1, 1)])
def test_a_transformer_with_patches_of_14_pixels_gives_maps_of_the_images_size(size: tuple[int, int]) -> None:
    decoder = {"name": "dpt", "widths": [8, 8, 8, 8], "channels": 8}
    model = MultiTask(3, MIXED, "vit_small_patch14_dinov2", decoder)
    assert model.multiple == 28
    outputs = model(torch.rand(2, 3, *size))
    assert outputs["mask"].shape == (2, 1, *size)
    assert outputs["label"].shape == (2, 5)


def test_a_transformer_of_other_than_its_own_size_resamples_its_places() -> None:
    """Its position embedding, as timm does it: at its own size nothing changes."""
    torch.manual_seed(0)
    encoder = TimmEncoder("vit_tiny_patch16_224", 3).eval()
    fixed = TimmEncoder("vit_tiny_patch16_224", 3).eval()
    fixed.load_state_dict(encoder.state_dict())
    fixed.net.patch_embed.strict_img_size = True
    fixed.net.dynamic_img_size = fixed.net.patch_embed.flatten = False
    image = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        tokens = encoder.net.forward_features(encoder.standardize(image))[:, 1:]
        assert encoder(image)[0].shape == (1, 192, 14, 14)
        torch.testing.assert_close(encoder(image)[0].flatten(2).transpose(1, 2), tokens)
        assert encoder(torch.rand(1, 3, 64, 96))[0].shape == (1, 192, 4, 6)


def test_one_image_is_too_few_where_means_are_normalised() -> None:
    model = MultiTask(3, {"m": Head("map", 1)}, "test_resnet", "deeplabv3plus")
    with pytest.raises(
        CnnlibError, match=r"DeepLabV3PlusDecoder normalises the mean of each image over the batch"
    ):
        model(torch.rand(1, 3, 96, 96))
    assert model.eval()(torch.rand(1, 3, 96, 96))["m"].shape == (1, 1, 96, 96)
    other = MultiTask(3, {"m": Head("map", 1)}, "test_resnet", "unet")
    with pytest.raises(CnnlibError, match=r"one image of 20 x 30 leaves a single value"):
        other(torch.rand(1, 3, 20, 30))


@pytest.mark.parametrize(
    ("encoder", "decoder"), [("resnet18", "unet"), ("test_efficientnet", "fpn"), ("test_vit", "dpt")]
)
def test_compiles_without_graph_breaks(encoder: str, decoder: str) -> None:
    torch.manual_seed(0)
    model = MultiTask(3, {"m": Head("map", 1)}, encoder, decoder).eval().to(memory_format=torch.channels_last)
    image = torch.rand(2, 3, 40, 32).contiguous(memory_format=torch.channels_last)
    gradients = []
    for call in (model, torch.compile(model, backend="aot_eager", fullgraph=True)):
        model.zero_grad()
        call(image)["m"].square().mean().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-3)


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"encoder": "resnet81"},
            r"no encoder is named 'resnet81' \(did you mean 'resnet\d+'\?\); .*get_encoder_names",
        ),
        (
            {"encoder": "resnet18.no_such"},
            r"timm's 'resnet18.no_such' cannot be used .*Invalid pretrained tag",
        ),
        ({"encoder": "mit_b0.no_such"}, r"no encoder is named 'mit_b0.no_such' \(did you mean"),
        ({"encoder": {"name": "tu-resnet81"}}, r"no encoder is named 'tu-resnet81' \(did you mean"),
        ({"encoder": "/etc/passwd"}, r"no encoder is named '/etc/passwd'"),
        ({"encoder": {"weights": "imagenet"}}, r"encoder must be a name, or a mapping with one under name"),
        (
            {"encoder": {"name": "resnet18", "weight": "imagenet"}},
            r"encoder 'resnet18' has no option 'weight' \(did you mean 'weights'\?\); it takes weights, output_stride",
        ),
        (
            {"encoder": {"name": "resnet18", "weights": 3}},
            r"encoder 'resnet18': weights must be text; it is 3",
        ),
        ({"encoder": {"name": "resnet18", "output_stride": 4}}, r"output_stride must be 8 or 16.*it is 4"),
        ({"encoder": {"name": "densenet121", "output_stride": 16}}, r"'densenet121' cannot be dilated"),
        (
            {"encoder": {"name": "convnext_atto", "output_stride": 16}},
            r"'convnext_atto' has no option 'output_stride'",
        ),
        (
            {"encoder": {"name": "resunet", "weights": "imagenet"}},
            r"'resunet' has no option 'weights'.*takes widths",
        ),
        (
            {"encoder": {"name": "resunet", "widths": [0]}},
            r"encoder 'resunet': widths\[0\] must be at least 1; it is 0",
        ),
        ({"share": "heads"}, r"share must be 'encoder' or 'decoder'; it is 'heads'"),
    ],
    ids=str,
)
def test_a_wrong_option_is_told(options: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(CnnlibError, match=message):
        MultiTask(**options)


# In a suite

SMALL = {"decoder": {"name": "unet", "channels": [8, 8, 8, 8, 8]}}


def _suite(folder: Path, encoder: Any, **changes: Any) -> Path:
    return write_suite(
        folder,
        model={"name": "multi_task", "encoder": encoder, **SMALL},
        tasks={"mask": {}, "depth": {}, "label": {}},
        training={"epochs": 1, "batch_size": 4, "workers": 0},
        **changes,
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.manual_seed(3)
    torch.save(SmpEncoder("resnet18", 3).net.state_dict(), path)
    return path


def test_training_starts_from_the_weights_and_a_trained_run_needs_them_no_more(
    tmp_path: Path, weights: Path
) -> None:
    copy = tmp_path / "copy.pth"
    copy.write_bytes(weights.read_bytes())
    path = _suite(tmp_path, {"name": "resnet18", "weights": str(copy)})
    (config,) = load_suite(path).experiments.values()
    trainer = make_trainer(config, open_data(config, 0), 0, tmp_path, SilentProgress())
    state, loaded = trainer.model.module.encoder.net.state_dict(), torch.load(weights, weights_only=True)
    assert torch.equal(state["layer1.0.conv1.weight"], loaded["layer1.0.conv1.weight"])
    torch.testing.assert_close(state["conv1.weight"], loaded["conv1.weight"].repeat(1, 2, 1, 1) / 2)
    (planned,) = plan(load_suite(path), tmp_path)
    run_experiment(planned)
    copy.unlink()
    predictions = load_run(planned.folder).predict(torch.rand(3, 40, 50), bg=torch.rand(3, 40, 50))
    assert predictions["mask"].shape == (1, 40, 50)


def test_a_run_starts_from_another_with_stages_frozen_and_rates_by_stage(tmp_path: Path) -> None:
    path = _suite(
        tmp_path,
        "test_efficientnet",
        experiments={
            "first": {"freeze": {"trained_stages": 0}},
            "second": {
                "start_from": {"run": "first", "heads": True},
                "freeze": {"trained_stages": 2},
                "learning_rate_factors": {"encoder": 0.1, "per_stage": 0.8},
            },
        },
    )
    assert run_suite([str(path), "--out", str(tmp_path / "runs")]) == 0
    states = [
        torch.load(
            next((tmp_path / "runs").rglob(f"{name}/seed-0/checkpoints/last.ckpt")), weights_only=True
        )["model"]
        for name in ("first", "second")
    ]
    names = [
        name for name in states[0] if name.startswith("encoder.") and states[0][name].is_floating_point()
    ]
    changed = [name for name in names if not torch.equal(states[0][name], states[1][name])]
    assert changed
    assert len(changed) < len(names)


def test_a_wrong_part_is_a_problem_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_suite([str(_suite(tmp_path, "resnet81"))]) == 2
    assert "no encoder is named 'resnet81'" in capsys.readouterr().err
