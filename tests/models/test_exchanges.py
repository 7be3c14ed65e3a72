"""What tasks give each other: against separate nets, against formulas in float64, and what depends on what."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers import DropPath
from torch import Tensor, nn

from cnnlib.config import load_suite
from cnnlib.experiment import run_experiment
from cnnlib.inference import load_run
from cnnlib.models import MultiTask
from cnnlib.models.exchange.cross_stitch import Stitch
from cnnlib.models.layer_table import layer_table
from cnnlib.models.layers.stitched_encoder import StitchedEncoder
from cnnlib.suite import plan
from cnnlib.types import CnnlibError, Head
from tests.tiny_suite import write_suite

HEADS = {"m": Head("map", 1), "n": Head("map", 3), "v": Head("vector", 2)}
MAPS = {"m": Head("map", 1), "n": Head("map", 3)}
SMALL = {"name": "segformer", "channels": 8}
OURS: dict[str, Any] = {"name": "resunet", "widths": [4, 8]}


def _image(batch: int = 2, side: int = 32) -> Tensor:
    return torch.rand(batch, 3, side, side, generator=torch.Generator().manual_seed(0))


def _model(exchange: Any, encoder: Any = OURS, heads: dict[str, Head] = HEADS, **options: Any) -> MultiTask:
    torch.manual_seed(0)
    return MultiTask(3, heads, encoder, SMALL, dropout=0.0, exchange=exchange, **options)


def _random_state(module: nn.Module) -> None:
    """Off its beginning, so that nothing is 0 or 1 by chance."""
    generator = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator).to(value)
            value.copy_(0.5 + noise) if name.endswith("running_var") else value.add_(0.2 * (noise - 0.5))


def _singles(model: MultiTask, encoder: Any) -> dict[str, MultiTask]:
    """Each task's own net, with its encoder, decoder and head of a stitched one."""
    made = {}
    for task, head in HEADS.items():
        made[task] = _model(None, encoder, {task: head})
        state = {
            key.replace(f"encoder.encoders.{task}.", "encoder."): value
            for key, value in model.state_dict().items()
        }
        made[task].load_state_dict({key: state[key].clone() for key in made[task].state_dict()})
    return made


# Cross-stitch


# One whose layers take and give more than maps, timm's, ours.
@pytest.mark.parametrize("encoder", ["mit_b0", "test_efficientnet", OURS], ids=str)
def test_stitched_by_the_identity_they_are_separate_nets(encoder: Any) -> None:
    model = _model({"name": "cross_stitch", "own": 1.0}, encoder)
    singles, image = _singles(model, encoder), _image(side=64)
    for net in (model, *singles.values()):
        for layer in net.modules():
            if isinstance(layer, DropPath):
                layer.eval()  # it draws
    outputs = model(image)
    sum(each.square().mean() for each in outputs.values()).backward()
    for task, single in singles.items():
        output = single(image)[task]
        torch.testing.assert_close(outputs[task], output, atol=0, rtol=0)
        output.square().mean().backward()
        stitched = dict(model.encoder.encoders[task].named_parameters())
        for name, parameter in single.encoder.named_parameters():
            torch.testing.assert_close(stitched[name].grad, parameter.grad, msg=name)
        buffers = dict(model.encoder.encoders[task].named_buffers())
        assert all(torch.equal(buffers[name], each) for name, each in single.encoder.named_buffers())


class InPlace(nn.Module):
    """An encoder that keeps a map which a layer changes."""

    in_channels, skip_channels, out_channels, stride = 3, (4,), 6, 2

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, 4, 3, padding=1)
        self.coarse = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3, stride=2, padding=1))

    @property
    def stages(self) -> list[nn.Module]:
        return [self.fine, self.coarse]

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        skip = self.fine(image)
        return self.coarse(skip), [skip]


def test_layers_that_change_what_they_are_given_are_refused() -> None:
    """Each sees a part of a tensor that others may keep."""
    with pytest.raises(CnnlibError, match=r"this one's 'coarse' changes in place what it is given: take"):
        StitchedEncoder(
            {"a": InPlace(), "b": InPlace()}, lambda channels, axis: Stitch(2, 1.0, channels, axis)
        )


def test_encoders_of_the_same_weights_are_one_however_they_are_stitched() -> None:
    model = _model({"name": "cross_stitch", "own": 0.3}, "test_efficientnet").eval().double()
    first, *others = model.encoder.encoders.values()
    for each in others:
        each.load_state_dict(first.state_dict())
    image = _image().double()
    outputs = model(image)
    for task, single in _singles(model, "test_efficientnet").items():
        torch.testing.assert_close(outputs[task], single.eval().double()(image)[task])


@pytest.mark.parametrize("per", ["channel", "stage"])
def test_maps_are_mixed_after_each_stage(per: str) -> None:
    model = _model({"name": "cross_stitch", "per": per}, heads=MAPS).eval().double()
    _random_state(model)
    image = _image().double()
    weights = [each.weight for each in model.encoder.stitches]
    assert [each.shape for each in weights] == [(2, 2, c if per == "channel" else 1) for c in (4, 8, 16)]

    def mixed(maps: list[Tensor], weight: Tensor) -> list[Tensor]:
        weight = weight.expand(2, 2, maps[0].shape[1])
        return [torch.einsum("sc,sbchw->bchw", weight[task], torch.stack(maps)) for task in range(2)]

    encoders, x, skips = list(model.encoder.encoders.values()), [image, image], []
    for level, weight in enumerate(weights[:2]):
        found = [encoder.levels[level](each) for encoder, each in zip(encoders, x, strict=True)]
        x, skip = (mixed(list(each), weight) for each in zip(*found, strict=True))
        skips.append(skip)
    bottoms = mixed([e.bottleneck(each) for e, each in zip(encoders, x, strict=True)], weights[2])
    for index, features in enumerate(model.exchange.features(model.encode(image)).values()):
        torch.testing.assert_close(features.bottom, bottoms[index])
        torch.testing.assert_close(list(features.skips), [skip[index] for skip in skips])


def test_a_stitch_begins_near_the_identity_with_rows_of_sum_1() -> None:
    weight = Stitch(3, 0.9, 5, 1).weight
    torch.testing.assert_close(weight.sum(1), torch.ones(3, 5))
    torch.testing.assert_close(weight[0, :, 2], torch.tensor([0.9, 0.05, 0.05]))
    assert Stitch(1, 0.9, 5, 1).weight.eq(1).all()


def test_each_stitched_encoder_gets_the_weights(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.manual_seed(5)
    torch.save(timm.create_model("test_efficientnet").state_dict(), path)
    model = _model("cross_stitch", {"name": "test_efficientnet", "weights": str(path)})
    model.check_pretrained()
    model.load_pretrained()
    saved = torch.load(path, weights_only=True)
    for encoder in model.encoder.encoders.values():
        assert all(torch.equal(value, saved[key]) for key, value in encoder.net.state_dict().items())


def test_a_copy_of_a_stitched_net_has_layers_of_its_own() -> None:
    """The moving average is such a copy."""
    model = _model("cross_stitch").eval()
    copied, image = deepcopy(model), _image()
    before = copied(image)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert all(torch.equal(value, before[task]) for task, value in copied(image).items())
    assert not any(model(image)["n"].flatten())


# MTAN


def test_masks_of_1_change_nothing() -> None:
    model, plain = _model("mtan", "test_efficientnet").eval(), _model(None, "test_efficientnet").eval()
    plain.load_state_dict({key: model.state_dict()[key] for key in plain.state_dict()})
    for masks in model.exchange.attention.values():
        for mask in masks:
            nn.init.zeros_(mask[-2].weight)
            nn.init.constant_(mask[-2].bias, 100.0)
    image = _image()
    expected = plain(image)
    assert all(torch.equal(value, expected[task]) for task, value in model(image).items())


def test_attended_maps_follow_the_formula() -> None:
    model = _model({"name": "mtan", "reduction": 2}).eval().double()
    _random_state(model)
    state, image = model.exchange.state_dict(), _image().double()

    def norm(x: Tensor, at: str) -> Tensor:
        mean, variance = state[f"{at}.running_mean"], state[f"{at}.running_var"]
        scaled = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        return scaled * state[f"{at}.weight"][:, None, None] + state[f"{at}.bias"][:, None, None]

    bottom, skips = model.encoder(image)
    found = model.exchange.features(model.encode(image))["n"]
    before = None
    for stage, (shared, attended) in enumerate(
        zip([*skips, bottom], [*found.skips, found.bottom], strict=True)
    ):
        seen = shared
        if before is not None:
            at = f"between.{stage - 1}"
            told = norm(F.conv2d(before, state[f"{at}.0.weight"], padding=1), f"{at}.1").relu()
            seen = torch.cat([shared, F.max_pool2d(told, 2)], dim=1)
        at = f"attention.n.{stage}"
        hidden = norm(
            torch.einsum("oi,bihw->bohw", state[f"{at}.0.weight"][..., 0, 0], seen), f"{at}.1"
        ).relu()
        assert hidden.shape[1] == shared.shape[1] // 2
        mask = norm(torch.einsum("oi,bihw->bohw", state[f"{at}.3.weight"][..., 0, 0], hidden), f"{at}.4")
        before = shared / (1 + (-mask).exp())
        torch.testing.assert_close(attended, before)


# PAD-Net


def test_distilled_maps_follow_the_formula() -> None:
    heads = {**MAPS, "k": Head("map", 2)}
    model = _model("padnet", heads=heads).eval().double()
    _random_state(model)
    exchange = model.exchange
    maps = {task: torch.rand(2, 8, 6, 5, dtype=torch.float64) - 0.5 for task in heads}
    found, first = exchange.maps(maps)
    known = {}
    for task, each in maps.items():
        weight, bias = exchange.first[task].prediction.weight[..., 0, 0], exchange.first[task].prediction.bias
        expected = torch.einsum("oi,bihw->bohw", weight, each) + bias[:, None, None]
        torch.testing.assert_close(first[task], expected)
        known[task] = exchange.first[task].features[0](torch.cat([each, expected], dim=1)).clamp(min=0)
    of_n = exchange.distillation["n"]
    gate = 1 / (1 + (-of_n.gate(known["n"])).exp())
    expected = known["n"] + gate * of_n.messages["m"](known["m"]) + gate * of_n.messages["k"](known["k"])
    torch.testing.assert_close(found["n"], of_n.tail(expected))


def test_first_predictions_are_given_while_it_trains_alone() -> None:
    model, image = _model("padnet"), _image(side=33)
    outputs = model(image)
    assert list(outputs) == ["m", "n", "v", "m.first", "n.first"]
    assert outputs["n.first"].shape == outputs["n"].shape == (2, 3, 33, 33)
    assert list(model.eval()(image)) == ["m", "n", "v"]


# All


@pytest.mark.parametrize("heads", [HEADS, MAPS], ids=["maps and a vector", "maps"])
@pytest.mark.parametrize("share", ["encoder", "decoder"])
@pytest.mark.parametrize("exchange", [None, "cross_stitch", "mtan", "padnet"])
def test_shared_is_what_every_output_depends_on(exchange: Any, share: str, heads: dict[str, Head]) -> None:
    model = _model(exchange, heads=heads, share=share).eval()
    reached = []
    for task in heads:
        model.zero_grad()
        model(_image())[task].square().sum().backward()
        reached.append({name for name, each in model.named_parameters() if each.grad is not None})
    names = {parameter: name for name, parameter in model.named_parameters()}
    shared = [names[each] for each in model.shared_parameters()]
    assert len(shared) == len({*shared})
    assert {*shared} == set.intersection(*reached)


@pytest.mark.parametrize("exchange", ["cross_stitch", "mtan", "padnet"])
def test_one_task_alone_is_trained(exchange: str) -> None:
    """Baselines of a single task have the same model section."""
    model = _model(exchange, heads={"m": Head("map", 1)})
    sum(each.square().mean() for each in model(_image()).values()).backward()
    assert all(each.grad is not None for each in model.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exchange": "mtam"}, r"no exchange is named 'mtam' \(did you mean 'mtan'\?\); allowed: cross_stitch, mtan"),
        ({"exchange": {"own": 1}}, r"exchange must be a name, or a mapping with one under name"),
        (
            {"exchange": {"name": "cross_stitch", "won": 1.0}},
            r"exchange 'cross_stitch' has no option 'won' \(did you mean 'own'\?\); it takes own, per",
        ),
        ({"exchange": {"name": "cross_stitch", "own": 1.5}}, r"'cross_stitch': own must be at most 1; it is 1.5"),
        ({"exchange": {"name": "cross_stitch", "per": "pixel"}}, r"per must be 'channel' or 'stage'; it is 'pixel'"),
        ({"exchange": {"name": "mtan", "reduction": 0}}, r"exchange 'mtan': reduction must be at least 1; it is 0"),
        ({"exchange": "torch.nn.Conv2d"}, r"cannot serve as an exchange: it must be .* derives from .*Exchange"),
        (
            {"exchange": "cross_stitch", "encoder": "test_vit"},
            r"keeps 2 of its tensors outside of the layers that it calls, such as 'net.cls_token': take a convol",
        ),
        (
            {"exchange": "cross_stitch", "encoder": "swin_tiny_patch4_window7_224"},
            r"'net.norm' does not give the map of 768 channels that depends on it: take a convolutional",
        ),
        (
            {"exchange": "mtan", "encoder": "test_vit", "decoder": "dpt"},
            r"DPTDecoder works on the blocks of a vision transformer: take the decoder unet",
        ),
        ({"exchange": "padnet", "heads": {"v": Head("vector", 2)}}, r"between maps, and no task asks for one"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_fit_is_told(options: dict[str, Any], message: str) -> None:
    with torch.device("meta"), pytest.raises(CnnlibError, match=message):
        MultiTask(
            **{"in_channels": 3, "heads": HEADS, "encoder": "test_efficientnet", "decoder": SMALL, **options}
        )


@pytest.mark.parametrize("exchange", ["cross_stitch", "padnet"])
def test_an_experiment_with_stages_frozen_an_average_and_a_weighting_that_reads_gradients(
    tmp_path: Path, exchange: str
) -> None:
    path = write_suite(
        tmp_path,
        model={"name": "multi_task", "encoder": OURS, "decoder": SMALL, "exchange": exchange},
        tasks={"mask": {}, "depth": {}},
        weighting="pcgrad",
        freeze={"trained_stages": 2},
        learning_rate_factors={"encoder": 0.1, "per_stage": 0.8},
        training={"epochs": 1, "batch_size": 4, "workers": 0, "ema_decay": 0.9},
    )
    (planned,) = plan(load_suite(path), tmp_path)
    run_experiment(planned)
    columns, row = (line.split(",") for line in (planned.folder / "metrics.csv").read_text().splitlines())
    logged = dict(zip(columns, row, strict=True))
    for part in ("train", "val"):  # first predictions left out, which validation has not
        terms = [float(logged[f"{part}/{task}/loss"]) for task in ("mask", "depth")]
        assert float(logged[f"{part}/loss"]) == pytest.approx(sum(terms), rel=1e-5)
    assert ("train/mask/loss/first" in columns) == (exchange == "padnet")
    assert "val/mask/loss/first" not in columns
    assert load_run(planned.folder).predict(torch.rand(3, 40, 50), bg=torch.rand(3, 40, 50)).keys() >= {
        "mask"
    }


def test_the_table_of_layers_has_those_of_every_encoder() -> None:
    with torch.device("meta"):
        model = _model("cross_stitch").eval()
    table = layer_table(model, (3, 32, 32))
    # A stage of this encoder gives two maps, and what mixes them is called for each.
    assert sum({row.name: row.parameters for row in table.rows}.values()) == table.parameters
    assert table.parameters == sum(each.numel() for each in model.parameters())
    called = {row.name for row in table.rows if row.kind == "Conv2d"}
    assert {name for name, each in model.named_modules() if isinstance(each, nn.Conv2d)} <= called
    assert {"encoder.stitches.0", "encoder.stitches.1", "encoder.stitches.2"} <= {
        row.name for row in table.rows
    }
