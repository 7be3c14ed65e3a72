"""Weights that hold more than weights: nothing of it is run, and nobody is advised to run it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cnnlib.models.layers import SmpEncoder, TimmEncoder
from cnnlib.types import CnnlibError


class Harmful:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("encoder", "name"), [(SmpEncoder, "resnet18"), (TimmEncoder, "test_efficientnet")], ids=["smp", "timm"]
)
def test_what_a_file_holds_is_not_run(
    tmp_path: Path, encoder: type[nn.Module], name: str, zipped: bool
) -> None:
    path, harm = tmp_path / "weights.pth", Harmful(tmp_path / "made")
    if zipped:
        torch.save({"x": harm}, path)
    else:
        path.write_bytes(pickle.dumps(harm, protocol=2))
    with pytest.raises(CnnlibError) as caught:
        encoder(name, 3, weights=str(path)).load_pretrained()
    reason = "it holds more than tensors and plain values"
    assert str(caught.value) == f"{path}: cannot be read as weights: {reason}"
    assert not harm.folder.exists()
