"""What a configuration is: fixed sections, each listed once, and components with flat options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeAlias, get_args

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from cnnlib.config.component import Component, Registered, Section
from cnnlib.config.errors import unknown_option
from cnnlib.config.expand import folder_name
from cnnlib.config.tasks import read_tasks
from cnnlib.lookup import unknown
from cnnlib.yaml_text import dump_yaml


def _key_path(path: str) -> str:
    if "" in path.split("."):
        raise ValueError(f"{path!r} is no key path: a part of it is empty")
    return path


def _distinct(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    names = [getattr(entry, "name", entry) for entry in entries]
    if len(set(names)) < len(names):
        raise ValueError(f"must differ from each other; they are {', '.join(map(str, names))}")
    return entries


FolderName = Annotated[str, AfterValidator(folder_name)]
KeyPath = Annotated[str, AfterValidator(_key_path)]
Weight = Annotated[float, Ge(0)]
SEEDS_BELOW = 2**32


class LossTerm(Component):
    """One term of a task's loss."""

    weight: Weight = 1.0
    """What the term is multiplied by; a term of weight 0 is logged and not trained on."""
    on: str | None = None
    """Which of the task's values it compares; null takes the first that it can."""


class TaskConfig(Component):
    """A task, what it is trained with, and how much it counts."""

    loss: Annotated[
        tuple[Annotated[LossTerm, Registered("loss")], ...],
        Strict(False),
        MinLen(1),
        AfterValidator(_distinct),
        BeforeValidator(lambda value: value if isinstance(value, list) else [value]),
    ] = ()
    """A loss, or a list of terms that are added up."""
    weight: Weight = 1.0
    """What the task's loss is multiplied by."""


class DatasetConfig(Component):
    """A data set, and how it is divided where its own splits are not used."""

    folds: Annotated[int, Ge(2)] | None = None
    """Cross-validation: all samples are divided into so many folds, and the run under seed s is tested on fold s mod
    folds. As many seeds as folds test every sample once; further seeds divide anew. null keeps the data's splits."""
    fold: Annotated[int, Ge(0)] | None = None
    """Every seed is tested on this one fold, from 0."""
    repeat: Annotated[int, Ge(1)] = 1
    """How often an epoch passes over each training sample, each time augmented anew: for small data sets, of which an
    epoch would be a few steps."""
    balance: bool = False
    """An epoch draws as many training samples as there are, with replacement, each class as often as any other."""
    on_error: Literal["raise", "skip"] = "raise"
    """What a file that cannot be used does, such as a truncated picture: it is reported and nothing is trained, or its
    sample is left out, as a whole, of all splits, and counted in ``result.json``; each run then looks into all
    files."""
    max_skipped: Annotated[float, Ge(0), Lt(1)] = 0.05
    """The largest share of all samples that ``on_error: skip`` may leave out."""
    leaks: Literal["refuse", "allow"] = "refuse"
    """What happens where pictures of equal content are in two splits, so that the test would measure memory: nothing is
    trained, or that is reported, and all is trained. Pictures that look nearly the same are reported either way."""
    normalize: Literal["auto"] | None = None
    """Whether the model sees images less the mean, over the deviation, of each channel, measured on the training split
    over all of its pixels; checkpoints hold these channel statistics beside the weights. null shows images as they are,
    in [0, 1]. Models that standardize inside, such as multi_task with published encoders, refuse auto."""

    cache: bool = False
    """Decode every sample of a data set of files once, and keep it in the cache folder, for all runs and workers:
    images as bytes, masks and classes exactly, depths exactly or as float16."""
    cache_limit: Annotated[float, Gt(0)] = 20.0
    """GiB that a decoded split may take."""

    @model_validator(mode="after")
    def _check_fold(self) -> DatasetConfig:
        if self.fold is not None and self.fold >= (self.folds or 0):
            raise ValueError(
                f"fold must be below folds, the number of folds; they are {self.fold} and {self.folds}"
            )
        return self

    @property
    def cross_validated(self) -> bool:
        """Seeds differ in the fold that they are tested on."""
        return self.folds is not None and self.fold is None

    def fold_of(self, seed: int) -> tuple[int, int] | None:
        """The fold that a run under this seed is tested on, and which division into folds it is of."""
        if self.folds is None:
            return None
        return (seed % self.folds, seed // self.folds) if self.fold is None else (self.fold, 0)


class TrainingConfig(Section):
    """How a model is trained."""

    epochs: Annotated[int, Ge(1)]
    """Passes over the training split."""
    batch_size: Annotated[int, Ge(1)] = 16
    """Samples per batch."""
    workers: Annotated[int, Ge(0)] | Literal["auto"] = 2
    """Processes that load data; 0 loads in the training process. auto takes 0 where a sample is ready in less than
    1 ms, else one less than the cores that the run may use, at most 8. Results do not depend on it."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """Number format of the forward pass; auto takes bf16-mixed where the hardware is quick at it."""
    clip_norm: Annotated[float, Gt(0)] | None = None
    """The gradient's largest Euclidean norm; null does not clip."""
    accumulate: Annotated[int, Ge(1)] = 1
    """Batches whose gradients make one step."""
    ema_decay: Annotated[float, Gt(0), Lt(1)] | None = None
    """Decay per step of the moving average of the weights that is evaluated and kept; null keeps none."""
    patience: Annotated[int, Ge(1)] | None = None
    """Epochs without a better validation score after which training stops; null never stops early. A schedule such as
    one_cycle is laid out for all ``epochs``: a run that stops early has not come to its end."""
    overfit_batches: Annotated[int, Ge(1)] | None = None
    """Train, validate and test on the first so many batches alone, without augmentation, and say whether the model can
    learn them: the first check of a new model. An epoch repeats them to about 100 steps. null trains on all data."""


class StartFromConfig(Section):
    """Another run, which this one builds on."""

    run: Annotated[str, MinLen(1)]
    """An experiment of the same suite: its run under the same seed. With a slash, a folder: an experiment's, for its
    run under the same seed, or a run's (./runs/old/a/seed-0). What is taken over is of its best epoch."""
    weights: bool = True
    """Take over the weights of everything but the heads; where there is a moving average, its weights."""
    heads: bool = False
    """Take over the heads, whose tasks must be the same; else they start anew."""
    optimizer: bool = False
    """Take over what the optimizer has gathered (moments), not its learning rate."""

    @model_validator(mode="after")
    def _check_anything(self) -> StartFromConfig:
        if not (self.weights or self.heads or self.optimizer):
            raise ValueError("nothing would be taken over: set weights, heads or optimizer to true")
        if self.optimizer and not self.weights:
            raise ValueError("optimizer: true needs weights: true, for its state belongs to these weights")
        return self

    @property
    def experiment(self) -> str | None:
        """The experiment of the same suite; ``None`` where ``run`` is a folder."""
        return None if "/" in self.run else self.run


Stages: TypeAlias = Annotated[int, Ge(0)] | Literal["all"]


class UnfreezeStep(Section):
    """One step of a schedule of unfreezing."""

    epoch: Annotated[int, Ge(2)]
    """From its beginning."""
    trained_stages: Stages
    """So many of the encoder's last stages are trained."""


class FreezeConfig(Section):
    """Which part of the encoder is trained. What is frozen keeps its weights and the statistics of its batch
    normalisation, and has no dropout. Decoders and heads are always trained."""

    trained_stages: Stages
    """The encoder's last so many stages are trained; 0 freezes it whole."""
    unfreeze: Annotated[tuple[UnfreezeStep, ...], Strict(False)] = ()
    """Later steps, by ascending epoch: [{epoch: 10, trained_stages: 2}, {epoch: 20, trained_stages: all}]."""

    @field_validator("unfreeze")
    @classmethod
    def _check_order(cls, steps: tuple[UnfreezeStep, ...]) -> tuple[UnfreezeStep, ...]:
        epochs = [step.epoch for step in steps]
        if any(later <= earlier for earlier, later in pairwise(epochs)):
            raise ValueError(f"epochs must ascend; they are {', '.join(map(str, epochs))}")
        return steps

    def trained(self) -> dict[int, int | None]:
        """From epoch to the number of stages that are trained from its beginning; ``None`` is all."""
        counts = {1: self.trained_stages} | {step.epoch: step.trained_stages for step in self.unfreeze}
        return {epoch: None if count == "all" else count for epoch, count in counts.items()}


class LearningRateFactors(Section):
    """What the optimizer's learning rate is multiplied by, in each part of the model."""

    encoder: Annotated[float, Gt(0)] = 1.0
    """In the encoder."""
    decoders: Annotated[float, Gt(0)] = 1.0
    """In the decoders."""
    heads: Annotated[float, Gt(0)] = 1.0
    """In the heads, and in all that is neither encoder nor decoder."""
    per_stage: Annotated[float, Gt(0), Le(1)] = 1.0
    """Besides, once for each stage of the encoder between its last and the one at hand."""


class ExperimentConfig(Section):
    """One experiment, complete. These are the sections of a configuration, and no other place lists them."""

    dataset: Annotated[DatasetConfig, Registered("dataset")]
    """What is trained, validated and tested on."""
    augmentations: Annotated[tuple[Annotated[Component, Registered("augmentation")], ...], Strict(False)] = (
        Field([], validate_default=True)
    )
    """Applied to training samples in this order."""
    model: Annotated[Component, Registered("model")]
    """The network."""
    tasks: dict[FolderName, Annotated[TaskConfig, Registered("task")]]
    """What is predicted, by the data set's target that it is trained on."""
    weighting: Annotated[Component, Registered("weighting")] = Field("fixed", validate_default=True)
    """How the tasks' losses become one step. It sees each task's loss times the task's ``weight``."""
    optimizer: Annotated[Component, Registered("optimizer")]
    """How a gradient becomes a step."""
    schedule: Annotated[Component, Registered("schedule")] = Field("constant", validate_default=True)
    """How the learning rate moves."""
    training: TrainingConfig
    """How a model is trained."""
    start_from: StartFromConfig | None = None
    """Another run, which this one builds on; null starts from the model's own weights."""
    freeze: FreezeConfig | None = None
    """Which part of the encoder is trained; null trains all of it."""
    learning_rate_factors: LearningRateFactors | None = None
    """What the optimizer's learning rate is multiplied by, in each part of the model; null has one rate for all."""
    predictions: Annotated[Component, Registered("predictions")] = Field("folder", validate_default=True)
    """How the test split's predictions are kept."""

    @field_validator("tasks", mode="wrap")
    @classmethod
    def _read_tasks(cls, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        return info.context.once("tasks", value, read_tasks, value, handler, info.context)

    @model_validator(mode="after")
    def _check_unfreezing(self) -> ExperimentConfig:
        last = max(self.freeze.trained()) if self.freeze else 1
        if last > self.training.epochs:
            raise ValueError(
                f"freeze.unfreeze: epoch {last} comes after the last one, training.epochs {self.training.epochs}"
            )
        return self

    @model_serializer(mode="wrap")
    def _without_null(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    def flat(self) -> dict[str, Any]:
        """As it is written in YAML: plain values only, without sections that are null."""
        return self.model_dump(mode="json")


class SuiteFile(Section):
    """What a suite's YAML holds beside the sections that its experiments share."""

    name: FolderName
    """Default: the file's name."""
    seeds: Annotated[
        tuple[Annotated[int, Ge(0), Lt(SEEDS_BELOW)], ...],
        Strict(False),
        MinLen(1),
        AfterValidator(_distinct),
    ] = (0,)
    """Every experiment is run once under each."""
    experiments: Annotated[dict[str, dict[KeyPath, Any]], MinLen(1)] = Field(default_factory=dict)
    """Named overrides: dotted key paths or nested mappings."""
    grid: Annotated[dict[KeyPath, Annotated[list[Any], MinLen(1)]], MinLen(1)] = Field(default_factory=dict)
    """Values by dotted key path; every combination is run, of every experiment."""
    baseline: str = Field(default_factory=str)
    """The experiment that the others are tested against. Default: the first."""
    margins: dict[str, Annotated[float, Gt(0), Lt(1)]] = Field(default_factory=dict)
    """By task, how far two experiments may differ in its main metric and still count as equal: a difference where
    higher is better (default: 0.01), a share of the error where lower is better (default: 0.05, within 5 %)."""
    main_task: str | None = None
    """The one task whose main metric is tested; null tests that of every task, and corrects for their number."""
    first_seeds: Annotated[int, Ge(2)] | None = None
    """Compare after so many seeds, then after each further one, and train no further what is decided; the list
    ``seeds`` is then the most. null runs all seeds."""


class SuiteConfig(Section):
    """Experiments that are run under the same seeds and compared; ``SuiteFile`` says what the keys mean."""

    name: str
    seeds: tuple[int, ...]
    baseline: str
    margins: dict[str, float] = Field(default_factory=dict)
    main_task: str | None = None
    first_seeds: int | None = None
    experiments: dict[str, ExperimentConfig]

    def ancestors(self, name: str) -> list[str]:
        """The experiments that one builds on, the oldest first."""
        start = self.experiments[name].start_from
        if start is None or start.experiment is None:
            return []
        return [*self.ancestors(start.experiment), start.experiment]

    def to_yaml(self) -> str:
        """A file from which ``load_suite`` makes an equal suite; sections that all experiments share stand once.

        Every option of an experiment is written, those left to their default too, so that a later default changes
        nothing. Of the suite's own keys, those that are null or empty are left out: a single run has no use for them.
        """
        suite = {key: value for key, value in self.model_dump(mode="json").items() if value not in (None, {})}
        experiments = suite.pop("experiments")
        for section, value in dict(experiments[self.baseline]).items():
            if all(each.get(section) == value for each in experiments.values()):
                suite[section] = value
                for each in experiments.values():
                    del each[section]
        return dump_yaml({**suite, "experiments": experiments})


SECTIONS = tuple(ExperimentConfig.model_fields)
SECTION_DEFAULTS: dict[str, Any] = {
    name: field.default for name, field in ExperimentConfig.model_fields.items() if not field.is_required()
}


def unknown_key(keys: Sequence[str]) -> str:
    """What to say of a key that an experiment, or one of its sections, does not have."""
    *above, key = keys
    if not above:
        return unknown_section(key, SECTIONS)
    annotation = ExperimentConfig.model_fields[above[0]].annotation
    section = next(each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields"))
    return unknown_option(key, section.model_fields)


def unknown_section(key: str, allowed: Sequence[str]) -> str:
    if key in SuiteFile.model_fields:
        return "belongs to the whole suite, and cannot differ between experiments"
    if key in TrainingConfig.model_fields:
        return f"there is no such section (did you mean 'training.{key}'?)"
    return unknown("section", key, allowed)
