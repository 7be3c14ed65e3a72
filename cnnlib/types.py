"""The words that every part of the library shares. Imports nothing of ours.

Shapes are written ``(B, C, H, W)``: batch, channels, height, width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

Sample: TypeAlias = dict[str, Any]
"""``image`` float32 (C, H, W) in [0, 1]; one target under each task's own name; optionally
``<task>_valid``, bool, of the target's shape; ``name``, the sample's id; optionally ``group``, a name that samples
share which are not independent, such as pictures before one background."""

Batch: TypeAlias = dict[str, Any]
"""Samples stacked along a new first axis; ``name`` and ``group`` are lists of B strings."""

Outputs: TypeAlias = dict[str, Tensor]
"""A model's raw outputs, ``{task name: logits (B, C, H, W)}``. Only ``Task.decode`` knows what they mean."""

Split: TypeAlias = Literal["train", "val", "test"]


class CnnlibError(Exception):
    """The user's input is at fault: the message says what was expected, what came and what to do.

    Command lines print it without a traceback and exit with code 2.
    """


class SampleSource(Protocol):
    """One split of a data set: a sequence of samples, each a pure function of its index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class DataSource(Protocol):
    """A data set: what its samples hold, and its three splits."""

    image_names: ClassVar[tuple[str, ...]]
    """What each group of three channels of ``image`` shows, in order: ``("bg", "fg_bg")``."""
    targets: ClassVar[Mapping[str, str]]
    """Name of each entry that can be trained on, and the kind of task it is for: ``{"mask": "mask"}``."""

    def split(self, part: Split) -> SampleSource: ...


class SplitMetric(Protocol):
    """Measures one task on a whole split: sums are kept for every image and divided once, at the end."""

    def update(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
        """A batch of decoded predictions and targets, (B, C, H, W)."""
        ...

    def compute(self) -> Mapping[str, float]: ...

    def per_image(self) -> Mapping[str, Tensor]:
        """Every metric of each image on its own, float64 (N,), in the order seen; NaN where undefined."""
        ...

    def reset(self) -> None: ...


@runtime_checkable
class MetricLogger(Protocol):
    """Receives what training measures, while it runs."""

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None: ...


class Progress(Protocol):
    """Shows a person how far a training run is."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        """``steps`` an epoch; ``done`` epochs lie behind, from an earlier call."""
        ...

    def steps_done(self, steps: int, loss: float, images_per_second: float) -> None:
        """``steps`` of this epoch are done; ``loss`` is its mean so far."""
        ...

    def epoch_done(self, numbers: Mapping[str, float]) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Predicted:
    """A sample and what was predicted for it, all on the CPU."""

    name: str
    image: Tensor
    """What the model was shown, (C, H, W) in [0, 1]."""
    predictions: Mapping[str, Tensor]
    """Decoded, (C, H, W) by task."""
    targets: Mapping[str, Tensor] = field(default_factory=dict)
    """As the predictions; empty where the truth is not known."""
    valid: Mapping[str, Tensor] = field(default_factory=dict)
    """Which target values count, bool (C, H, W) by task; a task that is not there counts wholly."""
    group: str = ""
    """As the sample's; its own name where it had none."""


@runtime_checkable
class PredictionSink(Protocol):
    """Receives decoded predictions, one sample at a time."""

    def write(self, sample: Predicted) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Forecast:
    """What is left to do of an experiment."""

    experiment: str
    finished: int
    """Runs that would be skipped."""
    epochs: list[int]
    """Of each run that would be trained, how many epochs are before it."""
    seconds: float
    """All that, one after the other."""
