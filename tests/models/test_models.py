"""Every model of the table keeps the contract, and importing one is cheap."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest

from cnnlib.models import MODELS
from tests.model_contract import MODEL_CONTRACT, VECTORS, Case


def _fixed(name: str, **small: object) -> Case:
    return Case(partial(MODELS[name], size=(40, 32), **small), heads=VECTORS, size=(40, 32))


_LOCATOR = (8, 8, 16, 16, 16)
_SMALL = {
    "phone_locator": Case(partial(MODELS["phone_locator"], widths=_LOCATOR)),
    "phone_locator_dnn": _fixed("phone_locator_dnn", widths=_LOCATOR),
    "facial_network": _fixed("facial_network", widths=(8, 16), hidden=(16, 8)),
    "facial_network_lite": _fixed("facial_network_lite"),
    "detector": Case(partial(MODELS["detector"], encoder="test_efficientnet", dropout=0.0)),
    "multi_task": Case(
        partial(
            MODELS["multi_task"],
            encoder="test_efficientnet",
            decoder={"name": "unet", "channels": [16, 16, 16, 8, 8]},
            dropout=0.0,
        )
    ),
    **{f"net{number}": Case(MODELS[f"net{number}"], heads=VECTORS) for number in range(7)},
}
"""Of the models that are too large to be tried as they are, or take one size."""


@pytest.mark.parametrize("promise", MODEL_CONTRACT, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_contract(name: str, promise: Callable[[Case], None]) -> None:
    promise(_SMALL.get(name, Case(MODELS[name])))


def test_importing_a_model_brings_torch_and_nothing_heavier() -> None:
    heavy = "torchvision segmentation_models_pytorch timm kornia matplotlib pydantic lightning_fabric torchmetrics"
    program = (
        "import sys; from cnnlib.models import ResUNet; "
        f"print('torch' in sys.modules, [name for name in {heavy.split()!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "True []"
