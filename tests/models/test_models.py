"""Every model of the table keeps the contract, and importing one is cheap."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from cnnlib.models import MODELS
from tests.model_contract import MODEL_CONTRACT, MakeModel


@pytest.mark.parametrize("promise", MODEL_CONTRACT, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", MODELS)
def test_contract(name: str, promise: Callable[[MakeModel], None]) -> None:
    promise(MODELS[name])


def test_importing_a_model_brings_torch_and_nothing_heavier() -> None:
    heavy = "torchvision segmentation_models_pytorch timm kornia matplotlib pydantic lightning_fabric torchmetrics"
    program = (
        "import sys; from cnnlib.models import ResUNet; "
        f"print('torch' in sys.modules, [name for name in {heavy.split()!r} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split("\n")[0] == "True []"
