from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.optim import Optimizer

from cnnlib.engine.checkpoint import load_checkpoint, save_checkpoint
from cnnlib.engine.schedule import Schedule, constant
from cnnlib.engine.trainer import TrainingDivergedError
from cnnlib.seeds import derived_seed
from cnnlib.types import CnnlibError
from tests.engine.tiny import NET, Recorder, Samples, make_trainer, same, train_loader, val_loader


def weights(folder: Path, name: str = "last.ckpt") -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / name, NET)["model"]


def assert_identical(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_training_lowers_the_validation_error(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, epochs=8)
    before = trainer.validate(val_loader())["depth/mae"]
    state = trainer.fit(train_loader(), val_loader())
    assert state.history[-1]["val/depth/mae"] < 0.25 * before
    assert [row["epoch"] for row in state.history] == list(range(1, 9))


@pytest.mark.parametrize("options", [{}, {"ema_decay": 0.9}, {"accumulate": 4, "clip_norm": 0.5}], ids=str)
def test_an_interrupted_run_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path, options: dict) -> None:
    make_trainer(tmp_path / "whole", **options).fit(train_loader(), val_loader())

    broken = make_trainer(tmp_path / "broken", Recorder(fail_at=(3, 2)), **options)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(train_loader(), val_loader())
    resumed = make_trainer(tmp_path / "broken", **options)
    assert resumed.resume()
    assert resumed.state.epoch == 2
    resumed.fit(train_loader(workers=2), val_loader())  # the number of workers does not matter

    for name in ("last.ckpt", "best.ckpt"):
        assert_identical(weights(tmp_path / "whole", name), weights(tmp_path / "broken", name))
    assert [row["val/depth/mae"] for row in resumed.state.history] == [
        row["val/depth/mae"] for row in load_checkpoint(tmp_path / "whole/last.ckpt", NET)["state"]["history"]
    ]


@pytest.mark.parametrize("damage", ["best.ckpt is gone", "best.ckpt", "last.ckpt"])
def test_an_interrupted_run_whose_checkpoint_is_damaged_is_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    whole = make_trainer(tmp_path / "whole")
    whole.fit(train_loader(), val_loader())
    broken = make_trainer(tmp_path / "broken", Recorder(fail_at=(4, 2)))
    with pytest.raises(KeyboardInterrupt):
        broken.fit(train_loader(), val_loader())
    path = tmp_path / "broken" / damage.split()[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if damage.endswith("gone") else path.write_bytes(content)

    again = make_trainer(tmp_path / "broken")
    assert not again.resume()
    assert f"{path}: " in capsys.readouterr().err
    again.fit(train_loader(), val_loader())
    again.load_best()
    assert again.state.best_epoch == whole.state.best_epoch
    for name in ("last.ckpt", "best.ckpt"):
        assert_identical(weights(tmp_path / "whole", name), weights(tmp_path / "broken", name))


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": {"epochs": 3}},
        {"optimizer": {}},
        {"schedule": [1]},
        {"weighting": "missing"},
    ],
    ids=str,
)
def test_a_training_state_that_does_not_fit_is_refused(tmp_path: Path, changes: dict) -> None:
    make_trainer(tmp_path).fit(train_loader(), val_loader())
    state = load_checkpoint(tmp_path / "last.ckpt", NET)
    changed = {key: value for key, value in (state | changes).items() if value != "missing"}
    save_checkpoint(tmp_path / "last.ckpt", changed)
    with pytest.raises(CnnlibError, match=r"last\.ckpt: its training state does not fit"):
        make_trainer(tmp_path).resume()


def test_epochs_differ_in_order_and_in_augmentation() -> None:
    loader = train_loader(batch_size=24)
    seen = []
    for epoch in (1, 2):
        loader.sampler.epoch = epoch
        (batch,) = loader
        seen.append(batch)
    assert seen[0]["name"] != seen[1]["name"]
    first, second = (dict(zip(batch["name"], batch["image"], strict=True)) for batch in seen)
    assert all(not torch.equal(first[name], second[name]) for name in first)


def test_the_augmentation_of_a_sample_does_not_depend_on_the_workers() -> None:
    batches = []
    for workers in (0, 2):
        loader = train_loader(workers=workers)
        loader.sampler.epoch = 3
        batches.append(list(loader))
    for one, other in zip(*batches, strict=True):
        assert one["name"] == other["name"]
        assert torch.equal(one["image"], other["image"])


def test_augmenting_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train_loader().dataset[1, 0]
    assert torch.equal(torch.rand(3), expected)


def test_accumulated_gradients_equal_those_of_the_larger_batch(tmp_path: Path) -> None:
    """On a net without batch norm or dropout, where the two are the same by definition."""
    weights_after = []
    for accumulate, batch_size in ((1, 12), (3, 4)):
        trainer = make_trainer(tmp_path, accumulate=accumulate, epochs=1)
        trainer.model.module.body[1] = torch.nn.Identity()
        trainer.model.module.body[3] = torch.nn.Identity()
        trainer.train_epoch(train_loader(batch_size, transform=same), 1)
        weights_after.append(trainer.model.module.body[0].weight.detach())
    assert torch.allclose(*weights_after, atol=1e-6)


def test_the_average_follows_the_formula(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Watching(Schedule):
        """Sees the weights after every step, before the average does."""

        def after_step(self) -> None:
            super().after_step()
            seen.append(trainer.model.module.body[0].weight.detach().double().clone())

    def watching(optimizer: Optimizer, total_steps: int) -> Schedule:
        return Watching(constant(optimizer, total_steps).scheduler)

    trainer = make_trainer(tmp_path, ema_decay=0.75, epochs=1, schedule=watching)
    trainer.train_epoch(train_loader(), 1)
    expected = seen[0]
    for now in seen[1:]:
        expected = 0.75 * expected + 0.25 * now
    assert len(seen) == 6
    assert torch.allclose(trainer.evaluated.body[0].weight.double(), expected, atol=1e-6)
    assert not torch.equal(trainer.evaluated.body[0].weight, trainer.model.module.body[0].weight)


def test_patience_ends_a_run_that_no_longer_improves(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, learning_rate=1e-12, epochs=20, patience=2)
    trainer.model.module.body[1].momentum = 0.0
    state = trainer.fit(train_loader(), val_loader())
    assert state.epoch == state.best_epoch + 2 < 20


def test_clipping_bounds_the_gradient(tmp_path: Path) -> None:
    for clip_norm in (None, 1e-3):
        trainer = make_trainer(tmp_path, clip_norm=clip_norm)
        norms: list[float] = []

        def note(optimizer: Optimizer, *_: object, norms: list[float] = norms) -> None:
            gradients = [p.grad.norm() for group in optimizer.param_groups for p in group["params"]]
            norms.append(torch.stack(gradients).norm().item())

        trainer.optimizer.optimizer.register_step_pre_hook(note)
        trainer.train_epoch(train_loader(), 1)
        assert (max(norms) <= 1e-3 * (1 + 1e-4)) == (clip_norm is not None)
        assert min(norms) > 0


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with torch.no_grad():
        trainer.model.module.body[0].weight.fill_(float("nan"))
    with pytest.raises(TrainingDivergedError, match=r"nan by batch 1 of epoch 1.*learning_rate"):
        trainer.fit(train_loader(), val_loader())


def test_best_is_the_epoch_with_the_highest_score(tmp_path: Path) -> None:
    recorder = Recorder()
    trainer = make_trainer(tmp_path, recorder, epochs=5, learning_rate=0.3)
    state = trainer.fit(train_loader(), val_loader(), loggers=[recorder])
    errors = [row["val/depth/mae"] for row in recorder.rows]
    assert state.best_epoch == errors.index(min(errors)) + 1
    trainer.load_best()
    assert trainer.validate(val_loader())["depth/mae"] == pytest.approx(min(errors))


def test_a_rest_of_a_batch_is_dropped_in_training_and_seen_in_evaluation() -> None:
    assert len(train_loader(batch_size=10)) == 2
    assert len(train_loader(batch_size=100)) == 1
    assert sum(len(batch["name"]) for batch in val_loader()) == len(Samples(10))


def test_a_seed_that_is_derived_depends_on_the_whole_path() -> None:
    paths = [(7, 3), (7, 3, 0), (7, 3, 0, 0), (7, 3, 1), (3, 7), (0, 7, 3), (7,)]
    assert len({derived_seed(*path) for path in paths}) == len(paths)
    assert derived_seed(7, 3) == derived_seed(7, 3)


def test_equal_scores_are_decided_by_the_validation_loss(tmp_path: Path) -> None:
    """A share of points within a radius may be 0 for many epochs, in which the net learns."""
    recorder = Recorder()
    trainer = make_trainer(tmp_path, recorder, epochs=5)
    trainer.metrics["depth"].compute = lambda: {"mae": 0.5}
    state = trainer.fit(train_loader(), val_loader(), loggers=[recorder])
    losses = [row["val/loss"] for row in recorder.rows]
    assert state.best_epoch == losses.index(min(losses)) + 1 > 1


def test_a_validation_split_without_labels_ends_the_run(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, epochs=2)
    trainer.metrics["depth"].compute = lambda: {"mae": float("nan")}
    with pytest.raises(CnnlibError, match="no image of the validation split has a valid label for depth"):
        trainer.fit(train_loader(), val_loader())
