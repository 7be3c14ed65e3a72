"""Low-rank adapters: what they compute, what is trained, weights before and after, and what cannot have them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from cnnlib.config import load_suite
from cnnlib.engine.checkpoint import load_checkpoint, save_checkpoint
from cnnlib.engine.freezing import Freezing, encoder_stages
from cnnlib.engine.parameter_groups import parameter_groups
from cnnlib.experiment import run_experiment
from cnnlib.inference import load_run
from cnnlib.models import MultiTask
from cnnlib.models.encoders import make_encoder
from cnnlib.models.layers.adapters import published
from cnnlib.suite import plan
from cnnlib.types import CnnlibError, Head
from tests.model_contract import HEADS, MODEL_CONTRACT, Case
from tests.tiny_suite import write_suite

ADAPTERS: dict[str, Any] = {"rank": 3, "alpha": 6.0}
GIVEN = {"weights": "imagenet"}
"""Which are not loaded where a model is only made."""
SMALL = {"name": "segformer", "channels": 8}


def _model(adapters: Any = ADAPTERS, channels: int = 3, **options: Any) -> MultiTask:
    torch.manual_seed(0)
    encoder = {"name": "test_vit", "adapters": adapters, **GIVEN, **options}
    return MultiTask(channels, {"m": Head("map", 2), "v": Head("vector", 3)}, encoder, SMALL, dropout=0.0)


def _image() -> Tensor:
    return torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def _begun(model: nn.Module) -> nn.Module:
    """As after some training: the adapters add something."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.copy_(torch.rand(each.shape, generator=generator) - 0.5)
    return model


def _trainable(model: nn.Module) -> set[str]:
    return {name for name, each in model.named_parameters() if each.requires_grad}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.manual_seed(5)
    torch.save(timm.create_model("test_vit").state_dict(), path)
    return path


@pytest.mark.parametrize("promise", MODEL_CONTRACT, ids=lambda promise: promise.__name__)
def test_contract(promise: Any) -> None:
    """With all parameters trained, for the contract asks each for a gradient."""
    encoder = {"name": "test_vit", "adapters": ADAPTERS, **GIVEN}
    promise(
        Case(
            lambda **given: _begun(
                MultiTask(**given, encoder=encoder, decoder=SMALL, dropout=0.0).requires_grad_(True)
            ),
            HEADS,
        )
    )


def test_an_adapted_encoder_begins_as_the_plain_one(weights: Path) -> None:
    """With the published weights, which come after the adapters here, as in training."""
    adapted, plain = _model(weights=str(weights)), _model(None, weights=str(weights))
    for model in (adapted, plain):
        model.load_pretrained()
    image = _image()
    bottom, _ = plain.encoder(image)
    assert torch.equal(adapted.encoder(image)[0], bottom)
    loaded = torch.load(weights, weights_only=True)
    state = published(adapted.encoder.net)
    assert state.keys() == plain.encoder.net.state_dict().keys()
    assert all(torch.equal(value, loaded[key]) for key, value in state.items())


@pytest.mark.parametrize(("layers", "alpha"), [("attention", 6.0), ("all", 1.0)])
def test_an_adapter_adds_its_product_to_the_weights(layers: str, alpha: float) -> None:
    model = _begun(_model({"rank": 3, "alpha": alpha, "layers": layers})).eval().double()
    plain = _model(None).eval().double()
    state, merged = model.encoder.net.state_dict(), published(model.encoder.net)
    adapted = 0
    for key in list(merged):
        layer = key.removesuffix(".weight")
        if f"{layer}.lora_A.default.weight" in state:
            low, high = (state[f"{layer}.lora_{which}.default.weight"] for which in "AB")
            merged[key] = merged[key] + alpha / 3 * high @ low
            adapted += 1
    assert adapted == len(plain.encoder.net.blocks) * (2 if layers == "attention" else 4)
    plain.encoder.net.load_state_dict(merged)
    image = _image().double()
    torch.testing.assert_close(model.encoder(image)[0], plain.encoder(image)[0])


def test_as_many_parameters_are_trained_as_the_formula_says() -> None:
    with torch.device("meta"):
        encoder = make_encoder({"name": "vit_small_patch14_dinov2", "adapters": {"rank": 8}, **GIVEN}, 3)
    width, blocks = 384, 12
    of_a_block = 8 * (width + 3 * width) + 8 * (
        width + width
    )  # queries, keys and values; the projection behind
    assert sum(each.numel() for each in encoder.parameters() if each.requires_grad) == blocks * of_a_block


def test_the_first_layer_learns_to_tell_two_pictures_apart(weights: Path) -> None:
    """Published weights are the same for both, and no adapter behind them can undo it."""
    one, other = torch.rand(2, 4, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    model = _model(channels=6, weights=str(weights))
    model.load_pretrained()
    model.eval()

    def difference() -> Tensor:
        swapped = [model(torch.cat(pair, dim=1))["v"] for pair in ((one, other), (other, one))]
        return (swapped[0] - swapped[1]).square().mean()

    assert difference() < 1e-9
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(5):
        output = model(torch.cat([one, other], dim=1))["v"]
        torch.nn.functional.mse_loss(output, torch.ones_like(output)).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert difference() > 1e-5
    first = {"encoder.net.patch_embed.proj.weight", "encoder.net.patch_embed.proj.bias"}
    assert _trainable(model) == _trainable(_model()) | first


def test_adapters_decoders_and_heads_alone_are_trained() -> None:
    model = _begun(_model())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(parameter_groups(model, dict.fromkeys(
        ("encoder", "decoders", "heads"), 1.0) | {"per_stage": 0.9}), lr=0.01)  # fmt: skip
    sum(each.square().mean() for each in model(_image()).values()).backward()
    optimizer.step()
    changed = {
        name
        for name, _ in model.named_parameters()
        if not torch.equal(model.state_dict()[name], before[name])
    }
    assert changed == _trainable(model)
    assert all("lora_" in name for name in changed if name.startswith("encoder."))
    assert any(name.startswith("decoders.") for name in changed)


def test_a_thawed_stage_trains_its_adapters_alone() -> None:
    model = _model()
    all_of_it, stages = _trainable(model), encoder_stages(model)
    freezing = Freezing(model, {1: 0, 2: 1, 3: None})
    freezing.apply(1)
    assert not any(name.startswith("encoder.") for name in _trainable(model))
    freezing.apply(2)
    last = {id(each) for each in stages[-1].parameters()}
    assert _trainable(model) <= all_of_it
    assert {id(e) for n, e in model.encoder.named_parameters() if e.requires_grad} <= last
    freezing.apply(3)
    assert _trainable(model) == all_of_it


def test_a_checkpoint_is_read_without_running_code(tmp_path: Path) -> None:
    model = _begun(_model()).eval()
    save_checkpoint(tmp_path / "a.ckpt", {"net": "n", "model": model.state_dict()})
    other = _model().eval()
    other.load_state_dict(load_checkpoint(tmp_path / "a.ckpt", "n")["model"])
    image = _image()
    assert torch.equal(other(image)["m"], model(image)["m"])


def test_without_peft_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(CnnlibError, match=r"adapters need the library peft: pip install cnnlib\[adapters\]"):
        _model({"rank": 5})


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (
            {"name": "tu-resnet18", "adapters": {}, **GIVEN},
            r"adapters need linear layers of attention, and this net has none",
        ),
        ({"name": "resnet18", "adapters": {}}, r"encoder 'resnet18' has no option 'adapters'"),
        ({"name": "test_vit", "adapters": {"rank": 0}}, r"adapters: rank must be at least 1; it is 0"),
        ({"name": "test_vit", "adapters": {"alpha": -1.0}}, r"adapters: alpha must be above 0; it is -1.0"),
        ({"name": "test_vit", "adapters": {"rnak": 4}}, r"adapters has no option 'rnak' \(did you mean 'rank'\?\)"),
        ({"name": "test_vit", "adapters": {"layers": "qkv"}}, r"layers must be 'attention' or 'all'; it is 'qkv'"),
        ({"name": "test_vit", "adapters": 8}, r"adapters must be a mapping of options; it is 8"),
        (
            {"name": "test_vit", "adapters": {}},
            r"which are random without published ones: set weights to 'imagenet' or to a file, or leave adapters out",
        ),
        (
            {"name": "beit_base_patch16_224", "adapters": {}, **GIVEN},
            r"do nothing at 'blocks.0.attn.qkv', for the net reads the layer's weights without calling it",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_told(encoder: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(CnnlibError, match=message):
        MultiTask(3, {"m": Head("map", 1)}, encoder, SMALL)


def test_an_experiment_with_stages_frozen_and_a_weighting_that_reads_gradients(
    tmp_path: Path, weights: Path
) -> None:
    encoder = {"name": "test_vit", "weights": str(weights), "adapters": ADAPTERS}
    path = write_suite(
        tmp_path,
        model={"name": "multi_task", "encoder": encoder, "decoder": SMALL},
        tasks={"mask": {}, "depth": {}},
        weighting="pcgrad",
        freeze={"trained_stages": 3},
        learning_rate_factors={"encoder": 2.0},
        training={"epochs": 1, "batch_size": 4, "workers": 0},
    )
    (planned,) = plan(load_suite(path), tmp_path)
    run_experiment(planned)
    net = load_run(planned.folder).model.encoder.net
    loaded = torch.load(weights, weights_only=True)
    later = {key for key, value in published(net).items() if not torch.equal(value, loaded[key])}
    assert later == {
        "patch_embed.proj.weight"
    }  # which is fitted to six channels, and frozen here with its stage
    moved = {key for key, value in net.state_dict().items() if "lora_B" in key and value.any()}
    assert moved
    assert len(moved) < sum("lora_B" in key for key in net.state_dict())  # the first stages are frozen
