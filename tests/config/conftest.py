"""Small tables of components that exist only here, so that a test says all it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import pytest
from annotated_types import Ge, Gt, Le
from torch import nn

from cnnlib.checks import checked
from cnnlib.config import SuiteConfig, parse_suite
from cnnlib.config.tables import Tables
from cnnlib.types import CnnlibError, Head, TargetInfo


class Rooms:
    """The targets are the same whatever the options, so the class says them."""

    inputs: ClassVar[dict[str, int]] = {"before": 3, "after": 3}
    targets: ClassVar[dict[str, TargetInfo]] = {
        "mask": TargetInfo("mask"),
        "far": TargetInfo("depth", unit="m"),
    }

    def __init__(self, size: int = 32, root: Path | None = None) -> None:
        self.size, self.root = size, root

    def split(self, part: str) -> list[Any]:
        return []


class Files:
    """The targets are found in the files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def split(self, part: str) -> list[Any]:
        return []


class Turn:
    @checked
    def __init__(self, degrees: float = 10.0, p: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        self.degrees, self.p = degrees, p


class Net(nn.Module):
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
        heads: Mapping[str, Head] | None = None,
        widths: Sequence[int] = (8, 16),
        copy: bool = False,
        norm: Literal["batch", "group"] = "batch",
        scale: tuple[float, float] = (0.5, 2.0),
        activation: Callable[[float], float] = abs,
        vectors: bool = False,
    ) -> None:
        if not vectors and any(head.shape == "vector" for head in (heads or {}).values()):
            raise CnnlibError("a net has heads for maps only")
        super().__init__()
        self.widths, self.heads = widths, heads


class Task:
    head = Head("map", 1)

    def __init__(self, info: TargetInfo) -> None:
        self.info = info


class Mask(Task):
    kind, default_loss = "mask", "bce"
    values = ("probabilities", "logits")


class Depth(Task):
    kind, default_loss = "depth", "l1"
    values = ("lengths",)

    def __init__(self, info: TargetInfo, min_depth: float = 0.0, max_depth: float = 10.0) -> None:
        super().__init__(info)
        if max_depth <= min_depth:
            raise CnnlibError(f"max_depth must be above min_depth={min_depth}; it is {max_depth}")


class Label(Task):
    """What it offers depends on the target: one class is true, or several may be."""

    kind, default_loss = "label", "cross_entropy"
    head = Head("vector", 2)

    def __init__(self, info: TargetInfo) -> None:
        super().__init__(info)
        self.values = ("logits",) if info.multi_label else ("classes",)


class Loss:
    needs_map = False

    def __init__(self) -> None: ...

    @classmethod
    def compares(cls, task: Task) -> tuple[str, ...]:
        if cls.needs_map and task.head.shape != "map":
            return ()
        return tuple(values for values in task.values if values in cls.values)


class BCE(Loss):
    values = frozenset({"logits"})

    def __init__(self, pos_weight: float | Literal["balanced"] | None = None) -> None: ...


class CrossEntropy(Loss):
    values = frozenset({"classes"})


class Dice(Loss):
    values = frozenset({"probabilities"})
    needs_map = True

    @checked
    def __init__(self, smooth: Annotated[float, Ge(0)] = 1.0) -> None: ...


class L1(Loss):
    values = frozenset({"probabilities", "logits", "lengths"})


def sgd(parameters: Any, learning_rate: Annotated[float, Gt(0)], momentum: float = 0.9) -> dict[str, Any]:
    """Plain steps."""
    return {"parameters": parameters, "learning_rate": learning_rate, "momentum": momentum}


def adam(parameters: Any, learning_rate: float = 0.001) -> None: ...


def constant(optimizer: Any, total_steps: int) -> None: ...


def steps(optimizer: Any, total_steps: int, at: Sequence[int] = ()) -> None: ...


class Fixed:
    def __init__(self, tasks: Sequence[str]) -> None: ...


class Moving:
    def __init__(self, tasks: Sequence[str], alpha: Annotated[float, Ge(0)] = 1.5) -> None: ...


class Folder:
    def __init__(self, out: Path, tasks: Any, inputs: Any, count: int | None = None) -> None: ...


@pytest.fixture(scope="session")
def tables() -> Tables:
    return {
        "dataset": {"rooms": Rooms, "files": Files},
        "augmentation": {"turn": Turn},
        "model": {"net": Net},
        "task": {"mask": Mask, "depth": Depth, "label": Label},
        "loss": {"bce": BCE, "dice": Dice, "l1": L1, "cross_entropy": CrossEntropy},
        "optimizer": {"sgd": sgd, "adam": adam},
        "schedule": {"constant": constant, "steps": steps},
        "weighting": {"fixed": Fixed, "moving": Moving},
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
