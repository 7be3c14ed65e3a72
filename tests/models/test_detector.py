"""The detector: its two heads, maps and vectors from any encoder, and weights that only training needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from kornia.geometry.subpix import spatial_soft_argmax2d
from torch import nn

from cnnlib.assembly import make_trainer, open_data
from cnnlib.config import load_suite
from cnnlib.experiment import run_experiment
from cnnlib.inference import load_run
from cnnlib.models import Detector
from cnnlib.models.layers import Encoder, PlacesHead, ShakeShakeEncoder
from cnnlib.models.layers.places_head import means_and_places
from cnnlib.reporting.progress import SilentProgress
from cnnlib.suite import plan
from cnnlib.types import CnnlibError, Head
from tests.model_contract import HEADS, MODEL_CONTRACT, Case
from tests.tiny_suite import write_suite
from tools.run_suite import main as run_suite

SMALL = "test_efficientnet"
MIXED = {
    "mask": Head("map", 1),
    "normals": Head("map", 3),
    "box": Head("vector", 4),
    "label": Head("vector", 5),
}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_by_default_it_is_efficientnet_b0_and_a_linear_layer_per_task() -> None:
    with torch.device("meta"):
        model = Detector()
    assert {name: _count(head) for name, head in model.heads.items()} == dict.fromkeys(
        ("box", "label"), 3 * 1280 * 4 + 4
    )
    assert _count(model) == _count(model.encoder) + 2 * (3 * 1280 * 4 + 4)


def test_the_heavy_head_has_a_hidden_layer() -> None:
    with torch.device("meta"):
        model = Detector(head="heavy", heads={"box": Head("vector", 4)})
    assert _count(model.heads) == (3 * 1280 * 512 + 512) + (512 * 4 + 4)


@pytest.mark.parametrize(
    "options",
    [
        {"encoder": "resunet", "widths": (4, 8), "head": "heavy"},
        {"encoder": "phone_locator", "widths": (4, 8, 8)},
        {"encoder": "test_convnext"},
        {"encoder": "test_vit", "head": "heavy"},
    ],
    ids=lambda options: options["encoder"],
)
@pytest.mark.parametrize("promise", MODEL_CONTRACT[:4], ids=lambda promise: promise.__name__)
def test_contract(promise: Any, options: dict[str, Any]) -> None:
    promise(Case(lambda **given: Detector(**given, **options, dropout=0.0), HEADS))


@pytest.mark.parametrize(
    "encoder",
    [
        "efficientnet_b0",
        "resnet18",
        "mobilenetv3_small_100",
        "convnext_atto",
        "regnetx_002",
        "xception41",
        "vgg11",
    ],
)
@pytest.mark.parametrize("map_stride", [1, 4])
def test_maps_and_vectors_from_any_encoder(encoder: str, map_stride: int) -> None:
    with torch.device("meta"):
        model = Detector(in_channels=6, heads=MIXED, encoder=encoder, map_stride=map_stride)
        outputs = model(torch.empty(2, 6, 72, 40))
    assert {task: tuple(value.shape) for task, value in outputs.items()} == {
        "mask": (2, 1, 72 // map_stride, 40 // map_stride),
        "normals": (2, 3, 72 // map_stride, 40 // map_stride),
        "box": (2, 4),
        "label": (2, 5),
    }


def test_decoders_are_as_wide_as_the_skips_within_bounds() -> None:
    with torch.device("meta"):
        wide, gaps = (
            Detector(heads={"mask": Head("map", 1)}, encoder=name).decoders["mask"]
            for name in ("xception41", "convnext_atto")
        )
    assert [level.double_conv.layers[0].out_channels for level in wide.levels] == [256, 256, 256, 128, 64]
    assert [level.double_conv.layers[0].in_channels for level in wide.levels] == [
        2048 + 1024,
        256 + 728,
        256 + 256,
        256 + 128,
        128,
    ]
    assert [level.double_conv.layers[0].out_channels for level in gaps.levels] == [160, 80, 40, 20, 16]


def test_encoders_of_ours() -> None:
    locator = Detector(encoder="phone_locator", widths=(8, 8, 16)).encoder
    assert isinstance(locator, ShakeShakeEncoder)
    assert locator.out_channels == 16
    with torch.device("meta"):
        unet = Detector(encoder="resunet").encoder
    assert isinstance(unet, Encoder)
    assert unet.skip_channels == (32, 64, 128, 256)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(
        CnnlibError, match=r"widths are an option of resunet and phone_locator; .*'test_resnet'"
    ):
        Detector(encoder="test_resnet", widths=(8, 16))
    with pytest.raises(
        CnnlibError, match=r"weights are an option of timm's nets; .*'resunet': set them to null"
    ):
        Detector(encoder="resunet", weights="imagenet")
    with pytest.raises(
        CnnlibError, match=r"head must be 'heavy' or 'light'; it is 'heavier' \(did you mean 'heavy'"
    ):
        Detector(head="heavier")
    with pytest.raises(CnnlibError, match=r"timm has no net 'resunett' \(did you mean"):
        Detector(encoder="resunett")


def test_maps_need_a_stride_that_doublings_undo() -> None:
    with torch.device("meta"):
        outputs = Detector(encoder="eva02_tiny_patch14_224")(torch.empty(1, 3, 224, 224))
        assert outputs["box"].shape == (1, 4)
        with pytest.raises(
            CnnlibError, match=r"'mask' asks for a map, and the encoder makes images 14 times smaller"
        ):
            Detector(encoder="eva02_tiny_patch14_224", heads=MIXED)


# Heads


def test_places_are_those_of_another_library() -> None:
    features = 5 * torch.randn(2, 7, 6, 9, dtype=torch.float64)
    means, x, y = means_and_places(features).chunk(3, dim=1)
    torch.testing.assert_close(means, features.mean(dim=(2, 3)))
    between_centres = spatial_soft_argmax2d(features, normalized_coordinates=True)
    expected = between_centres * torch.tensor([8 / 9, 5 / 6], dtype=torch.float64)
    torch.testing.assert_close(torch.stack([x, y], dim=2), expected)


def test_a_peak_is_where_it_is() -> None:
    features = torch.zeros(1, 1, 4, 8)
    features[0, 0, 3, 1] = 50
    torch.testing.assert_close(means_and_places(features)[0, 1:], torch.tensor([-1 + 3 / 8, 1 - 1 / 4]))
    assert means_and_places(torch.ones(1, 1, 1, 1)).tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("hidden", [None, 8])
def test_vectors_are_computed_in_float32_under_autocast(hidden: int | None) -> None:
    torch.manual_seed(0)
    head, features = PlacesHead(5, 3, hidden, dropout=0.0), torch.randn(2, 5, 4, 4).bfloat16()
    with torch.no_grad():
        expected = head(features)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(head(features), expected)
    assert expected.dtype == torch.float32


@pytest.mark.parametrize("hidden", [None, 1000])
def test_dropout_is_before_the_last_layer(hidden: int | None) -> None:
    torch.manual_seed(0)
    head, seen = PlacesHead(500, 1, hidden, dropout=0.3), []
    head.linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    features = torch.randn(4, 500, 3, 3)
    with torch.no_grad():
        head(features)
        head.eval()(features)
    trained, whole = seen
    there = whole != 0
    gone = (trained == 0)[there].float().mean()
    assert abs(gone - 0.3) < 0.03
    kept = there & (trained != 0)
    torch.testing.assert_close(trained[kept], whole[kept] / 0.7)


# Weights, from a configuration


def _suite(folder: Path, weights: Path) -> Path:
    return write_suite(
        folder,
        model={"name": "detector", "encoder": SMALL, "weights": str(weights)},
        tasks={"mask": {}, "depth": {}, "box": {}, "label": {}},
        training={"epochs": 1, "batch_size": 4, "workers": 0},
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.manual_seed(3)
    torch.save(timm.create_model(SMALL).state_dict(), path)
    return path


def test_training_starts_from_the_weights(tmp_path: Path, weights: Path) -> None:
    (config,) = load_suite(_suite(tmp_path, weights)).experiments.values()
    trainer = make_trainer(config, open_data(config, 0), 0, tmp_path, SilentProgress())
    state = trainer.model.module.encoder.net.state_dict()
    loaded = torch.load(weights, weights_only=True)
    assert torch.equal(state["blocks.0.0.conv.weight"], loaded["blocks.0.0.conv.weight"])
    torch.testing.assert_close(state["conv_stem.weight"], loaded["conv_stem.weight"].repeat(1, 2, 1, 1) / 2)


def test_a_trained_run_needs_the_weights_no_more(tmp_path: Path, weights: Path) -> None:
    copy = tmp_path / "copy.pth"
    copy.write_bytes(weights.read_bytes())
    (planned,) = plan(load_suite(_suite(tmp_path, copy)), tmp_path)
    run_experiment(planned)
    copy.unlink()
    predictions = load_run(planned.folder).predict(torch.rand(3, 40, 50), bg=torch.rand(3, 40, 50))
    assert predictions["mask"].shape == (1, 40, 50)
    assert predictions["box"].shape == (4,)


def test_weights_that_are_not_there_are_named_before_training(tmp_path: Path) -> None:
    (planned,) = plan(load_suite(_suite(tmp_path, tmp_path / "none.pth")), tmp_path)  # which reads no weights
    with pytest.raises(CnnlibError, match=r"none.pth: no such file"):
        run_experiment(planned)
    assert not list(planned.folder.rglob("*.ckpt"))


@pytest.mark.parametrize(
    "model",
    [
        {"name": "detector", "encoder": "test_efficientnet", "weights": "none.pth"},
        {"name": "multi_task", "encoder": {"name": "resnet18", "weights": "none.pth"}},
        {"name": "multi_task", "encoder": {"name": "test_resnet", "weights": "none.pth"}},
    ],
)
def test_weights_that_are_not_there_are_named_before_the_suite_trains_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: dict[str, Any]
) -> None:
    path = write_suite(tmp_path, experiments={"a": {}, "b": {"model": model}})
    for option in ((), ("--dry-run",)):
        assert run_suite([str(path), "--out", str(tmp_path / "runs"), *option]) == 2
        assert "none.pth: no such file" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_wrong_encoder_is_a_problem_of_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(tmp_path, model={"name": "detector", "encoder": "resnet81"})
    assert run_suite([str(path)]) == 2
    assert "timm has no net 'resnet81'" in capsys.readouterr().err
