"""The terms that every part of the library shares. Imports nothing of ours.

Shapes are written ``(B, C, H, W)``: batch, channels, height, width. A ``Size`` is (height, width).

**Coordinates** follow torchvision: a point (``KeyPoints``) is (x, y) in pixels with (0, 0) at the *centre* of the upper
left pixel; a box (``BoundingBoxes``) is xyxy in pixels with (0, 0) at the *corner* of the upper left pixel, so that the
box of one pixel at the origin is (0, 0, 1, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from torch import Tensor

Size: TypeAlias = tuple[int, int]
Split: TypeAlias = Literal["train", "val", "test"]
Fit: TypeAlias = Literal["stretch", "pad"]
"""How a picture of another shape becomes square; see ``cnnlib.datasets.fitting``."""


class CnnlibError(Exception):
    """The user's input is at fault: the message says what was expected, what came and what to do.

    Command lines print it without a traceback and exit with code 2.
    """


class Target(NamedTuple):
    """What is known of one sample (or of a batch, stacked) for one task.

    ``value`` has the shape that its kind demands (see each task). ``valid``, bool, tells which elements count: pixels
    (1, H, W) of a map, points (K,), classes () or (n,), boxes (). ``None`` means all, until ``Task.check`` fills it in.
    """

    value: Tensor
    valid: Tensor | None = None


@dataclass(frozen=True)
class TargetInfo:
    """What a data set says of one of its targets.

    Attributes:
        kind: the name in ``TASKS`` of the kind of task that it is for.
        names: of the classes or of the points, in the order of their indices.
        flip_order: of points: the index of the point that each becomes when left and right change places; empty where
            the names say it: ``left_eye`` and ``right_eye`` change places.
        unit: of the values, for people: ``"m"``; empty where the data have none.
        multi_label: of labels: several classes may be true at once.
        inverse: of depths: the values are inverse depths, or disparities, so that what is near has large ones.
    """

    kind: str
    names: tuple[str, ...] = ()
    flip_order: tuple[int, ...] = ()
    unit: str = ""
    multi_label: bool = False
    inverse: bool = False


@dataclass(frozen=True)
class Head:
    """The output that a task asks of a model: a map (B, channels, h, w) or a vector (B, channels)."""

    shape: Literal["map", "vector"]
    channels: int


NOT_TARGETS = ("image", "image_uint8", "name", "group")
"""The keys of a sample that no target may be called."""

Sample: TypeAlias = dict[str, Any]
"""``image`` float32 (C, H, W) in [0, 1]; a ``Target`` under the name of each target that the sample has (a missing
label is no key at all); ``name``, the sample's id; optionally ``group``, a name that samples share which are not
independent, such as pictures of one background."""

Batch: TypeAlias = dict[str, Any]
"""``image`` (B, C, H, W); for every task a ``Target`` stacked along a new first axis, not valid where a sample has
none; ``name`` and ``group``, lists of B strings."""

Outputs: TypeAlias = dict[str, Tensor]
"""A model's raw outputs, ``{task name: (B, C, h, w) or (B, C)}``. Only ``Task.decode`` knows what they mean.

While it trains, a model may add further predictions of a task as ``<task>.<which>``; they are trained alike."""


class LossInputs(NamedTuple):
    """What a loss compares: ``loss(*inputs)``. ``valid``, bool, can be broadcast to ``target``."""

    pred: Tensor
    target: Tensor
    valid: Tensor


class View(Protocol):
    """How an augmentation moves a sample, as a task needs it to move its target along."""

    size: Size
    """Of the image, before and after."""
    mirrored: bool
    """Left and right change places (before the rotation)."""
    angle: float
    """Rotation in degrees, clockwise as seen."""
    zoom: float
    """Above 1 brings nearer."""

    def warp(self, maps: Tensor) -> Tensor:
        """Maps (..., H, W) of any dtype by nearest neighbour; what comes in from outside is 0 (False)."""
        ...

    def points(self, xy: Tensor) -> Tensor:
        """Places (..., 2), x and y in pixels with (0, 0) at the *corner* of the image; may leave the image."""
        ...


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture that is stored inside a larger file, such as a tar file or a table.

    Attributes:
        place: where it is, for messages; no two pictures of a data set have the same.
        read: gives its content, that of an image file or of a .npy file; may raise any exception.
    """

    place: str
    read: Callable[[], bytes] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.place


class SampleSource(Protocol):
    """One split of a data set: a sequence of samples, each a pure function of its index, from 0 on; any other index is
    an ``IndexError``. No two samples of a data set, of all splits together, share a name.

    It may also have, each but ``stored`` without reading an image:

    - ``labels(index)``, the names of the targets that a sample has, or ``None``. Then training passes over samples
      without any label that is trained on; without it, every sample is taken to have some.
    - ``group(index)``, the sample's group, and ``label_class(index)``, its class, each a string or ``None``: where all
      samples have them, folds keep groups together and the classes' shares alike.
    - ``files(index)``, the paths of the files that a sample is read from, its own picture's first; ``()`` for a
      rendered sample, ``None`` where that is not known. Training is refused where the same picture is in two splits.
    - ``picture(index)``, for the same check, the sample's own picture where it is stored inside a larger file.
    - ``stored(index)``, the sample with ``image_uint8`` instead of ``image``: uint8 (C, H, W), the image times 255.
      Loaders convert it to float32 while they fill a batch.
    - ``pictures(indices)``, for the same check, the paths of the files that these samples are put together from, or
      ``None``: where samples share them and have no picture of their own.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


class DataSource(Protocol):
    """A data set: what its samples hold, and its three splits.

    It may also have ``check()``, which reads every file once and raises ``CnnlibError`` with all that is wrong; a suite
    calls it once before anything trains. Where ``fit`` is not ``stretch``, it has that too, for new pictures must be
    shown to the net in the same way. ``fixed_test = True`` says that no folds may divide its test set anew.
    """

    inputs: Mapping[str, int]
    """The pictures that ``image`` is made of and their channels, in order: ``{"bg": 3, "fg_bg": 3}``. The last is the
    one that the targets belong to."""
    targets: Mapping[str, TargetInfo]
    """Every target that can be trained on. A class whose targets are always the same may say so in the class."""
    size: int | None
    """Every image is ``size`` x ``size``; ``None`` where images keep the size that they are stored in."""

    def split(self, part: Split) -> SampleSource: ...


class SplitMetric(Protocol):
    """Measures one task on a whole split: rows are kept for every image, and evaluated once at the end."""

    explanations: Mapping[str, str]
    """One line for each metric, for readers who have not met it."""

    def update(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> None:
        """A batch of decoded predictions, the targets' values and valid masks, and the size of the images."""
        ...

    def compute(self) -> Mapping[str, float]: ...

    def per_image(self) -> Mapping[str, Tensor]:
        """Metrics of each image on its own, float64 (N,), in the order seen; NaN where undefined."""
        ...

    def reset(self) -> None: ...


class Jacobian(Protocol):
    """The gradients of the tasks' losses with respect to the shared parameters: a row per task of the step."""

    @property
    def gramian(self) -> Tensor:
        """Inner products of the rows, (tasks, tasks), float64 on the CPU."""
        ...

    def matrix(self) -> Tensor:
        """(tasks, parameters), float32 on the device; made anew at each call."""
        ...


@dataclass
class TrainingStep:
    """The input of a weighting at one step of the optimizer, over all its batches and all processes.

    Attributes:
        seed, epoch, index: which step it is: the run's seed, the epoch from 1, and the step from 0 within it.
        tasks: those trained that have a valid target in the step, in their order. The others get no weight.
        losses: of these tasks, each times its weight in the configuration, the mean over the batches that have a valid
            target; only for weightings that ask for them.
        losses_after: the same batches' losses after the step; only for weightings that look again.
        jacobian: its rows in the order of ``tasks``; only for weightings that read gradients.
    """

    seed: int
    epoch: int
    index: int
    tasks: Sequence[str]
    losses: Mapping[str, float] = field(default_factory=dict)
    losses_after: Mapping[str, float] = field(default_factory=dict)
    jacobian: Jacobian | None = None


class Combined(NamedTuple):
    """How the rows of a Jacobian become one gradient of the shared parameters.

    ``weights`` (tasks,) are the rows' factors. ``vector`` (parameters,) is the gradient where no factors give it; the
    weights are then those that come nearest, and only logged.
    """

    weights: Tensor
    vector: Tensor | None = None


class TaskWeighting(Protocol):
    """How several tasks' losses become one step. ``cnnlib.weighting.Weighting`` is the base of them all."""

    constant: ClassVar[bool]
    """It weighs all tasks alike in every step, whether they have a label or not: nothing need be read for it."""
    reads_losses: ClassVar[bool]
    """``TrainingStep.losses`` is filled when ``combine`` and ``update`` are called."""
    weighs_by_losses: ClassVar[bool]
    """It is filled when ``weights`` is called, too; otherwise it is empty there. Not with ``reads_gradients``."""
    reads_gradients: ClassVar[bool]
    """The tasks' gradients of the shared parameters are kept apart, and ``combine`` is called."""
    looks_again: ClassVar[bool]
    """The losses are computed once more after the step, without gradients."""

    def weights(self, step: TrainingStep) -> Mapping[str, float]:
        """What the losses of ``step.tasks`` are multiplied by, beside the configuration's weights."""
        ...

    def combine(self, step: TrainingStep) -> Combined:
        """One gradient from ``step.jacobian``, of the losses with their weights; called once per step."""
        ...

    def update(self, step: TrainingStep) -> None:
        """Learns from a step that was taken."""
        ...

    def end_epoch(self) -> None:
        """Every step of an epoch was taken."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that later weights depend on, of tensors and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class MetricLogger(Protocol):
    """Receives what training measures, while it runs."""

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None: ...


class Progress(Protocol):
    """Shows a person how far a training run is."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        """``steps`` per epoch; ``done`` epochs were completed by an earlier call."""
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
    """Decoded, by task."""
    targets: Mapping[str, Target] = field(default_factory=dict)
    """By task; a task without any valid target is left out."""
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
    """The number of epochs left, of each run that would be trained."""
    seconds: float
    """For all of them, one after the other."""
    memory: str = ""
    """What a step of it needs, in words; empty where nothing would be trained."""
