"""``result.json``, with which a run ends: what a suite needs of it to keep the run, and a report to show it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from cnnlib.files import read_json
from cnnlib.tasks.class_counts import counts_from_json
from cnnlib.types import CnnlibError

_AGAIN = "delete it to run this again"


class _Ranked(TypedDict):
    metric: str
    higher_is_better: bool


class _Start(TypedDict):
    """The run that it started from, its weights, and what was taken over."""

    __pydantic_config__ = ConfigDict(strict=True)

    folder: Annotated[str, Field(pattern=r"^[^\x00]+$")]
    experiment: str
    seed: int
    sha256: str
    weights: bool
    optimizer: bool
    heads: bool


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
    start_from: _Start


_RESULT = TypeAdapter(_Result)


def read_result(folder: Path) -> dict[str, Any] | None:
    """``result.json`` of the run in ``folder``, or ``None`` where the run has not ended.

    Raises:
        CnnlibError: it is damaged; the file and the key are named.
    """
    path = folder / "result.json"
    try:
        result = read_json(path)
    except FileNotFoundError:
        return None
    except CnnlibError as error:
        raise CnnlibError(f"{error}; {_AGAIN}") from None
    _check_identity(result, path)
    if result["status"] == "finished":
        _check_numbers(result, path)
    return result


def _check_identity(result: Any, path: Path) -> None:
    if not isinstance(result, dict) or result.get("status") not in ("finished", "failed"):
        raise CnnlibError(f"{path}: says nothing of a status; {_AGAIN}")
    if not isinstance(result.get("experiment"), str) or type(result.get("seed")) is not int:
        raise CnnlibError(f"{path}: does not say whose numbers it holds; {_AGAIN}")


def _check_numbers(result: dict[str, Any], path: Path) -> None:
    try:
        _RESULT.validate_python(result)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise CnnlibError(f"{path}: {place}: {first['msg']}; {_AGAIN}") from None
    counts_from_json(result.get("by_class", {}), path)
