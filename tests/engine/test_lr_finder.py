from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cnnlib.engine.lr_finder import range_test, read_curve
from cnnlib.engine.schedule import constant
from cnnlib.types import CnnlibError
from tests.engine.tiny import make_trainer, train_loader, val_loader


def fresh(folder: Path, **options):
    return make_trainer(folder, schedule=constant, **options)


@pytest.mark.parametrize("centre", [1e-4, 1e-3, 0.05])
def test_the_suggestion_is_where_a_sigmoid_falls_most_steeply(centre: float) -> None:
    """Over the logarithm of the rate, a logistic curve does so at its centre."""
    rates = np.geomspace(1e-6, 10, 100)
    losses = 1 / (1 + (rates / centre) ** 1.5) + 0.01 * np.random.default_rng(0).standard_normal(100)
    losses[rates > 50 * centre] += np.exp(np.arange((rates > 50 * centre).sum()))
    assert read_curve(rates, losses).suggestion == pytest.approx(centre, rel=0.5)


def test_the_suggested_rate_trains_far_better_than_its_thousandth(tmp_path: Path) -> None:
    rate = range_test(fresh(tmp_path), train_loader()).suggestion
    errors = []
    for learning_rate in (rate, rate / 1000):
        trainer = fresh(tmp_path / f"{learning_rate}", learning_rate=learning_rate, epochs=6)
        errors.append(trainer.fit(train_loader(), val_loader()).history[-1]["val/depth/mae"])
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize("options", [{}, {"accumulate": 3, "clip_norm": 0.5}], ids=str)
def test_the_same_seed_gives_the_same_curve_whatever_the_workers(tmp_path: Path, options: dict) -> None:
    one, other = (range_test(fresh(tmp_path, **options), train_loader(workers=workers)) for workers in (0, 1))
    assert one == other
    assert not list(tmp_path.iterdir())


def test_a_loss_that_explodes_ends_the_test(tmp_path: Path) -> None:
    trainer = fresh(tmp_path)

    def explodes(outputs, batch):
        high = trainer.optimizer.param_groups[0]["lr"] > 0.01
        total = outputs["depth"].square().mean()
        return total * (1e6 if high else 1), {"depth/loss": total.detach() * (1e6 if high else 1)}

    trainer.objective.forward = explodes
    assert range_test(trainer, train_loader()).rates[-1] < 0.03


def test_a_loss_that_is_no_number_from_the_start_is_an_error(tmp_path: Path) -> None:
    trainer = fresh(tmp_path)
    with torch.no_grad():
        trainer.model.module.body[0].weight.fill_(float("nan"))
    with pytest.raises(CnnlibError, match="first batch is not a finite number"):
        range_test(trainer, train_loader())


def test_a_loss_that_cannot_fall_is_an_error() -> None:
    rates, noise = np.geomspace(1e-6, 10, 100), np.random.default_rng(1).standard_normal(100)
    for losses in (np.ones(100), 1 + rates, 1 + rates + 0.1 * noise):
        with pytest.raises(CnnlibError, match="did not fall at any learning rate from 1e-06 to 10"):
            read_curve(rates, losses)


def test_steps_without_a_label_leave_no_dent(tmp_path: Path) -> None:
    """Half of the batches have no label: their loss of 0 is not taken for an end of learning."""
    loader = train_loader(transform=lambda sample: sample)
    whole = range_test(fresh(tmp_path), loader)

    def unlabelled(sample):
        target = sample["depth"]
        keep = int(sample["name"]) % 8 == 0
        return sample | {"depth": target._replace(valid=target.valid & keep)}

    trainer = fresh(tmp_path)
    combined = trainer.objective.losses["depth"].forward

    def absent(inputs, image):
        loss, terms = combined(inputs, image)
        return torch.nan_to_num(loss), terms

    trainer.objective.losses["depth"].forward = absent
    sparse = range_test(trainer, train_loader(batch_size=2, transform=unlabelled))
    assert min(sparse.losses[:20]) > 0.5 * whole.losses[0]
