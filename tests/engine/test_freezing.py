from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from cnnlib.engine.freezing import Freezing, encoder_stages
from cnnlib.engine.optimizer import adamw, sgd
from cnnlib.models import MultiTask
from cnnlib.types import CnnlibError, Head
from tests.engine.tiny import Recorder, StagedNet, make_trainer, train_loader, val_loader

GRADUAL = {1: 0, 2: 1, 4: None}
"""Of three stages, none is trained at first, the last one from epoch 2 on, and all from epoch 4 on."""
OPTIMIZERS = {
    "adamw": partial(adamw, weight_decay=0.1),
    "sgd": partial(sgd, momentum=0.9, weight_decay=0.1),
}


def states(net: nn.Module) -> list[dict[str, Tensor]]:
    """Parameters and statistics of each stage."""
    return [{key: value.clone() for key, value in stage.state_dict().items()} for stage in net.encoder]


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {key for key, value in before.items() if not torch.equal(value, after[key])}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    ("trained", "expected"),
    [
        (GRADUAL, [0, 1, 1, 3]),
        ({1: None, 2: 0, 4: 2}, [3, 0, 0, 2]),  # what has momentum is frozen, and thawed
    ],
)
def test_frozen_stages_keep_weights_and_statistics(
    tmp_path: Path, optimizer: str, trained: dict, expected: list[int]
) -> None:
    trainer = make_trainer(
        tmp_path, net=StagedNet, trained=trained, optimizer=OPTIMIZERS[optimizer], clip_norm=1.0, accumulate=2
    )
    for epoch, count in enumerate(expected, 1):
        before, outside = states(trainer.model.module), trainer.model.module.state_dict()
        outside = {key: value.clone() for key, value in outside.items() if not key.startswith("encoder")}
        trainer.train_epoch(train_loader(), epoch)
        trainer.validate(val_loader())
        for index, (old, new) in enumerate(zip(before, states(trainer.model.module), strict=True)):
            assert changed(old, new) == (set(old) if index >= 3 - count else set()), f"stage {index}"
        assert changed(outside, trainer.model.module.state_dict()) == set(outside)


def test_a_frozen_batch_normalisation_uses_the_statistics_that_it_has(tmp_path: Path) -> None:
    """In training it computes what evaluation does, and nothing is dropped."""
    trainer = make_trainer(tmp_path, net=StagedNet, trained={1: 1})
    net, images = trainer.model.module, torch.rand(4, 6, 8, 8)
    for buffer in net.encoder[0].buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2.0)
    trainer.enter_training(epoch=1)
    first, last = net.encoder[:2], net.encoder[2]
    in_training = first(images)
    assert torch.equal(in_training, first(images))
    assert not torch.equal(last(in_training), last(in_training))
    assert torch.equal(in_training, first.eval()(images))


def _drops(model: nn.Module) -> list[nn.Module]:
    return [layer for layer in model.encoder.modules() if isinstance(layer, DropPath | nn.Dropout)]


def _rough(name: str, **options: Any) -> MultiTask:
    """With stochastic depth and dropout that are seen."""
    torch.manual_seed(0)
    heads = {"a": Head("map", 1), "b": Head("vector", 2)}
    model = MultiTask(3, heads, name, {"name": "segformer", "channels": 8}, **options)
    for layer in _drops(model):
        setattr(layer, "drop_prob" if isinstance(layer, DropPath) else "p", 0.5)
    return model.train()


def _outputs(model: MultiTask, stages: int) -> list[Tensor]:
    """Of the layers that stand in the first stages."""
    found: list[Tensor] = []
    held = {id(each) for stage in model.encoder.stages[:stages] for each in stage.parameters()}
    hooks = [
        layer.register_forward_hook(lambda module, given, output: found.append(output))
        for layer in model.encoder.modules()
        if (own := {id(each) for each in layer.parameters()}) and own <= held
    ]
    with torch.no_grad():
        model(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    for hook in hooks:
        hook.remove()
    return [each for each in found if isinstance(each, Tensor)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mit_b0", {}),
        ("test_vit", {}),
        ("swin_tiny_patch4_window7_224", {}),
        ("mit_b0", {"exchange": "cross_stitch"}),
    ],
    ids=["SMP's", "timm's", "timm's, by its options", "stitched"],
)
def test_nothing_is_dropped_in_what_is_frozen(name: str, options: dict[str, Any]) -> None:
    """Not by layers without parameters either: as in evaluation, and behind the frozen stages as in training."""
    model = _rough(name, **options)
    assert _drops(model)
    count = len(encoder_stages(model))
    for frozen in (count // 2, count):
        model.eval()
        expected = _outputs(model, frozen)
        model.train()
        Freezing(model, {1: count - frozen}).apply(1)
        found = _outputs(model, frozen)
        assert len(found) == len(expected) > 0
        assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
        assert any(layer.training for layer in _drops(model)) == (frozen < count)
    model.train()
    Freezing(model, {1: None}).apply(1)
    assert all(module.training for module in model.modules())


def test_the_dropout_of_adapters_goes_with_their_stage() -> None:
    adapters = {"rank": 2, "dropout": 0.5}
    model = _rough({"name": "test_vit", "weights": "imagenet", "adapters": adapters})
    freezing = Freezing(model, {1: 2, 2: 0})
    drops = {name: layer for name, layer in model.named_modules() if "lora_dropout" in name.split(".")[-2:-1]}
    freezing.apply(1)
    assert {layer.training for layer in drops.values()} == {True, False}
    trained = {name.partition(".lora_")[0] for name, each in model.named_parameters() if each.requires_grad}
    assert {name for name, layer in drops.items() if layer.training} == {
        name for name in drops if name.partition(".lora_")[0] in trained
    }
    model.train()
    freezing.apply(2)
    assert not any(layer.training for layer in drops.values())


def test_what_was_never_trained_has_no_momentum_after_it_is_thawed(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, net=StagedNet, trained=GRADUAL)
    names = [name for name, _ in trainer.model.module.named_parameters()]

    def known() -> set[str]:
        return {names[index] for index in trainer.optimizer.state_dict()["state"]}

    for epoch, stages in ((1, ()), (2, (2,)), (4, (0, 1, 2))):
        trainer.train_epoch(train_loader(), epoch)
        assert {name for name in known() if name.startswith("encoder")} == {
            name for name in names if name.startswith(tuple(f"encoder.{stage}." for stage in stages))
        }
    steps = {names[index]: float(of["step"]) for index, of in trainer.optimizer.state_dict()["state"].items()}
    assert steps["heads.depth.bias"] == 3 * steps["encoder.0.0.bias"] > 0


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}], ids=str)
@pytest.mark.parametrize("epoch", [1, 2, 3, 4, 5])
def test_killed_in_any_epoch_it_ends_alike(tmp_path: Path, epoch: int, options: dict) -> None:
    """Down to the bytes of ``best.ckpt``, whose hash a run that starts from it keeps."""
    options = {"net": StagedNet, "trained": GRADUAL, "epochs": 5} | options
    make_trainer(tmp_path / "whole", **options).fit(train_loader(), val_loader())
    broken = make_trainer(tmp_path / "broken", Recorder(fail_at=(epoch, 3)), **options)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(train_loader(), val_loader())
    resumed = make_trainer(tmp_path / "broken", **options)
    assert resumed.resume() == (epoch > 1)
    resumed.fit(train_loader(), val_loader())
    one, other = (
        torch.load(tmp_path / kind / "last.ckpt", weights_only=True) for kind in ("whole", "broken")
    )
    for part in ("model", "average"):
        if one[part] is not None:
            assert not changed(one[part], other[part])
    for index, of in one["optimizer"]["state"].items():
        assert not changed(of, other["optimizer"]["state"][index])
    best = [(tmp_path / kind / "best.ckpt").read_bytes() for kind in ("whole", "broken")]
    assert best[0] == best[1]


def test_the_costliest_epoch_is_the_first_that_trains_most() -> None:
    assert Freezing(StagedNet(), GRADUAL).costliest_epoch == 4
    assert Freezing(StagedNet(), {1: 0, 2: 3, 4: None}).costliest_epoch == 2
    assert Freezing(StagedNet(), {1: 1, 7: 1, 9: 0}).costliest_epoch == 1


def test_stages_that_there_are_not_are_refused() -> None:
    with pytest.raises(CnnlibError, match="4 stages would be trained, and the encoder has 3"):
        Freezing(StagedNet(), {1: 0, 3: 4})
    with pytest.raises(CnnlibError, match=r"attribute encoder that has stages.*Linear has none"):
        encoder_stages(nn.Linear(1, 1))


@pytest.mark.parametrize("wrong", ["a tensor in none", "a tensor in two", "another's tensor"])
def test_stages_must_hold_every_tensor_once(wrong: str) -> None:
    net = StagedNet()
    if wrong == "a tensor in none":
        net.encoder.register_buffer("scale", torch.ones(1))
    elif wrong == "a tensor in two":
        net.encoder[1] = net.encoder[2]
    else:
        stages = list(net.encoder)
        net.encoder = nn.Module()
        net.encoder.body = nn.Sequential(*stages)
        net.encoder.stages = [*stages[:2], nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8))]
    with pytest.raises(CnnlibError, match=r"must hold each of its .* once"):
        encoder_stages(net)
