"""Checkpoints that are whole or not there, and that are checked, and read without running anybody's code."""

from __future__ import annotations

import errno
import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnnlib.files import check_is_file, write_atomically
from cnnlib.types import CnnlibError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replaces ``path`` in one step: a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, buffer.getbuffer())


class DamagedCheckpointError(CnnlibError):
    """A checkpoint that is missing, or whose content is not what was written.

    Attributes:
        fault: what is wrong, without what to do about it.
    """

    def __init__(self, fault: str) -> None:
        super().__init__(f"{fault}; restore it from a copy, or delete the run's folder to train it again")
        self.fault = fault


def load_checkpoint(path: Path, net: str | None = None) -> dict[str, Any]:
    """The state that ``save_checkpoint`` wrote, on the CPU, once its checksums were found right.

    Args:
        net: which net the weights are for, as the state's own ``net`` must say; ``None``: any.

    Raises:
        DamagedCheckpointError: the file is missing, damaged, or holds more than tensors and plain values.
        CnnlibError: it cannot be read, or is of another net.
    """
    state = _read(path)
    if not _is_state(state):
        raise DamagedCheckpointError(
            f"{path}: not a checkpoint of cnnlib: it must hold the name of a net, and a model's tensors by name"
        )
    if net not in (None, state["net"]):
        raise CnnlibError(
            f"{path}: holds the weights of another net, {state['net']}; the configuration describes {net}"
        )
    return state


def _read(path: Path) -> Any:
    try:
        check_is_file(path)
    except CnnlibError as error:
        raise DamagedCheckpointError(str(error)) from None
    try:
        # torch.save writes CRC-32 checksums, which torch.load does not verify.
        with zipfile.ZipFile(path) as archive:
            if (member := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"the checksum of {member} is wrong")
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DamagedCheckpointError(f"{path}: no such checkpoint; was this run finished?") from None
    except MemoryError:
        raise CnnlibError(f"{path}: there is not enough memory to read it") from None
    except Exception as error:
        # A damaged or forged file can make both readers raise any exception; EINVAL comes of a seek to a wrong place.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise CnnlibError(f"{path}: cannot be read ({error.strerror or error})") from None
        reason = str(error).partition("\n")[0] or type(error).__name__
        # PyTorch's own message advises to load the file without weights_only, which would run code from it.
        if isinstance(error, pickle.UnpicklingError):
            reason = "it holds more than tensors and plain values, or is no pickle"
        raise DamagedCheckpointError(f"{path}: not a readable checkpoint ({reason})") from None


def _is_state(state: Any) -> bool:
    model = state.get("model") if isinstance(state, dict) else None
    return (
        isinstance(model, Mapping)
        and isinstance(state.get("net"), str)
        and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in model.items())
    )


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Gives ``model`` the weights of the checkpoint at ``path``; raises ``CnnlibError`` where they do not fit."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        # The message has a line that names the class, and then one for each kind of mismatch.
        reason = " ".join(str(error).partition("\n")[2].partition("\n")[0].split())
        raise CnnlibError(
            f"{path}: its tensors are not the model's ({reason[:200]}); the model has changed since: train again"
        ) from None
