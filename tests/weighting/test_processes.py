"""Two processes take the step of one that accumulates their batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cnnlib.weighting import WEIGHTINGS
from tests.weighting.tiny import TASKS, make_trainer, parameters, take_step
from tests.weighting.two_processes import BATCHES, launch


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Tensor]]:
    """What each process ends with, by weighting; some seconds, most of them to start the processes."""
    folder = tmp_path_factory.mktemp("processes")
    launch(folder)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_both_take_the_step_of_one_that_accumulates(
    name: str, found: list[dict[str, Tensor]], tmp_path: Path
) -> None:
    alone = make_trainer(tmp_path, WEIGHTINGS[name](tuple(TASKS)))
    for index, batches in enumerate(BATCHES):
        take_step(alone, batches, index)
    assert torch.equal(found[0][name], found[1][name])
    torch.testing.assert_close(found[0][name], parameters(alone), rtol=1e-4, atol=1e-5)
