"""Checkpoints that are whole or not there, and that are read without running anybody's code."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnlib.files import write_atomically
from cnnlib.types import CnnlibError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replaces ``path`` in one step: a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getbuffer())


def load_checkpoint(path: Path, net: str | None = None) -> dict[str, Any]:
    """The state that ``save_checkpoint`` wrote, on the CPU.

    Args:
        net: which net the weights are for, as the state's own ``net`` must say; ``None``: any.

    Raises:
        CnnlibError: the file is missing, damaged, of another net, or holds more than tensors and plain values.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CnnlibError(f"{path}: no such checkpoint; was this run finished?") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, zipfile.BadZipFile, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise CnnlibError(
            f"{path}: not a readable checkpoint ({reason}); delete it to start afresh"
        ) from None
    found = state.get("net") if isinstance(state, dict) else None
    if found is None or net not in (None, found):
        raise CnnlibError(
            f"{path}: holds the weights of another net, {found}; the configuration describes {net or 'one'}"
        )
    return state


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Gives ``model`` the weights of the checkpoint at ``path``; raises ``CnnlibError`` where they do not fit."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:  # a line for each sort of mismatch, after one that names the class
        reason = " ".join(str(error).splitlines()[1].split())
        raise CnnlibError(
            f"{path}: its tensors are not the model's ({reason[:200]}); the model has changed since: train again"
        ) from None
