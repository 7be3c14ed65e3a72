"""Weights in a file that somebody gives, read without running anybody's code."""

from __future__ import annotations

import pickle
from pathlib import Path

from torch import Tensor

from cnnlib.models.layers.foreign_error import one_line
from cnnlib.types import CnnlibError


def read_state(path: str | Path) -> dict[str, Tensor]:
    """The state in a file, ``.safetensors`` or of PyTorch, on the CPU; of a checkpoint of training, the model's.

    Raises:
        CnnlibError: it cannot be read, or holds more than tensors and plain values.
    """
    import timm

    try:
        return timm.models.load_state_dict(str(path))
    except Exception as error:  # a file that somebody made can break the readers in any way
        reason = one_line(error)
        if any(isinstance(each, pickle.UnpicklingError) for each in (error, error.__cause__)):
            reason = "it holds more than tensors and plain values"  # the advice there is to run what it holds
        raise CnnlibError(f"{path}: cannot be read as weights: {reason}") from None
