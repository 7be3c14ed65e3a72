"""What ``result.json`` of a finished run must hold for a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from cnnlib.types import CnnlibError


class _Ranked(TypedDict):
    metric: str
    higher_is_better: bool


class _Needed(TypedDict):
    test: dict[str, float | None]
    constant: dict[str, float | None]
    ranked_by: list[_Ranked]
    seconds: float


class _Result(_Needed, total=False):
    __pydantic_config__ = ConfigDict(strict=True)

    epochs: int
    best_epoch: int
    images_per_second: float
    peak_memory_mib: float
    parameters: int
    cores_used_by_others: float | None
    learning_rate: float
    folds: int
    overfit: dict[str, Any]


_RESULT = TypeAdapter(_Result)


def check_result(result: Any, path: Path) -> None:
    """Raises ``CnnlibError``, which names ``path`` and the key, where something is missing or of another type."""
    try:
        _RESULT.validate_python(result)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CnnlibError(f"{path}: {place}: {first['msg']}; delete it to run this again") from None
