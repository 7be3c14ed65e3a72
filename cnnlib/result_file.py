"""``result.json``, with which a run ends: what a suite needs of it to keep the run, and a report to show it; and the
record of a run's parent, which stands in it and, from the run's start, in ``parent.json``.
"""

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


class StartRecord(TypedDict):
    """The run that another one started from.

    Attributes:
        folder: the parent's; relative to the run's own where both are of one suite.
        experiment, seed: the parent's.
        sha256: of the parent's ``best.ckpt`` at the time.
        weights, optimizer, heads: whether they were taken over.
    """

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
    start_from: StartRecord


_RESULT = TypeAdapter(_Result)
_START_RECORD = TypeAdapter(StartRecord)


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


def read_start_record(path: Path, again: str) -> StartRecord:
    """A ``parent.json``.

    Args:
        again: what to do where it is damaged; the error ends with it.

    Raises:
        FileNotFoundError: there is none.
        CnnlibError: it is damaged; the file and the key are named.
    """
    try:
        record = read_json(path)
    except CnnlibError as error:
        raise CnnlibError(f"{error}; {again}") from None
    _validate(_START_RECORD, record, path, again)
    return record


def _check_identity(result: Any, path: Path) -> None:
    if not isinstance(result, dict) or result.get("status") not in ("finished", "failed"):
        raise CnnlibError(f"{path}: says nothing of a status; {_AGAIN}")
    if not isinstance(result.get("experiment"), str) or type(result.get("seed")) is not int:
        raise CnnlibError(f"{path}: does not say whose numbers it holds; {_AGAIN}")


def _check_numbers(result: dict[str, Any], path: Path) -> None:
    _validate(_RESULT, result, path, _AGAIN)
    counts_from_json(result.get("by_class", {}), path)


def _validate(adapter: TypeAdapter[Any], value: Any, path: Path, again: str) -> None:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # Without a key where the whole is no mapping.
        place = [".".join(map(str, first["loc"]))] if first["loc"] else []
        raise CnnlibError(": ".join([str(path), *place, f"{first['msg']}; {again}"])) from None
