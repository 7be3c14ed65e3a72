"""Small tables of components that exist only here, so that a test says all it depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from cnnlib.config import SuiteConfig, parse_suite
from cnnlib.config.tables import Tables
from cnnlib.types import CnnlibError


class Rooms:
    image_names = ("before", "after")
    targets: ClassVar[dict[str, str]] = {"mask": "mask", "far": "depth"}

    def __init__(self, size: int = 32, root: Path | None = None) -> None:
        self.size, self.root = size, root

    def split(self, part: str) -> list[Any]:
        return []


class Files(Rooms):
    def __init__(self, root: Path) -> None:
        self.root = root


class Turn:
    def __init__(self, degrees: float = 10.0, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise CnnlibError(f"p must be in [0, 1]; it is {p}")


class Net:
    """A net.

    It is small.

    Args:
        widths: channels of the levels,
            from fine to coarse.
        copy, norm: two more.
    """

    def __init__(
        self,
        in_channels: int = 6,
        outputs: dict[str, int] | None = None,
        widths: Sequence[int] = (8, 16),
        copy: bool = False,
        norm: Literal["batch", "group"] = "batch",
        scale: tuple[float, float] = (0.5, 2.0),
        activation: Callable[[float], float] = abs,
    ) -> None:
        self.widths, self.outputs = widths, outputs


class Mask:
    kind = "mask"
    default_loss = "bce"


class Depth:
    kind = "depth"
    default_loss = "l1"

    def __init__(self, max_depth: float = 10.0) -> None:
        if max_depth <= 0:
            raise CnnlibError(f"max_depth must be > 0; it is {max_depth}")


class BCE:
    on_logits = True
    tasks = frozenset({"mask"})

    def __init__(self, pos_weight: float | Literal["balanced"] | None = None) -> None: ...


class Dice:
    on_logits = False
    tasks = frozenset({"mask"})

    def __init__(self, smooth: float = 1.0) -> None: ...


class L1:
    on_logits = False
    tasks = frozenset({"mask", "depth"})


def sgd(parameters: Any, learning_rate: float, momentum: float = 0.9) -> dict[str, Any]:
    """Plain steps."""
    if learning_rate <= 0:
        raise CnnlibError(f"learning_rate must be > 0; it is {learning_rate}")
    return {"parameters": parameters, "learning_rate": learning_rate, "momentum": momentum}


def adam(parameters: Any, learning_rate: float = 0.001) -> None: ...


def constant(optimizer: Any, total_steps: int) -> None: ...


def steps(optimizer: Any, total_steps: int, at: Sequence[int] = ()) -> None: ...


class Folder:
    def __init__(self, out: Path, tasks: Any, image_names: Any, count: int | None = None) -> None: ...


@pytest.fixture(scope="session")
def tables() -> Tables:
    return {
        "dataset": {"rooms": Rooms, "files": Files},
        "augmentation": {"turn": Turn},
        "model": {"net": Net},
        "task": {"mask": Mask, "depth": Depth},
        "loss": {"bce": BCE, "dice": Dice, "l1": L1},
        "optimizer": {"sgd": sgd, "adam": adam},
        "schedule": {"constant": constant, "steps": steps},
        "predictions": {"folder": Folder},
    }


@pytest.fixture
def suite() -> dict[str, Any]:
    """The least that a suite says."""
    return {
        "dataset": "rooms",
        "model": "net",
        "tasks": {"mask": {}},
        "optimizer": {"name": "sgd", "learning_rate": 0.1},
        "training": {"epochs": 3},
    }


@pytest.fixture
def parse(tables: Tables) -> Callable[..., SuiteConfig]:
    def parse_with_tables(mapping: Any, *overrides: str, source: str = "trial.yaml") -> SuiteConfig:
        return parse_suite(mapping, overrides, source, tables)

    return parse_with_tables
