"""What a configuration is: fixed sections, each listed once, and components with flat options."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Lt, MinLen
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from cnnlib.config.errors import unknown_option
from cnnlib.config.registered import OneOrMore, Registered
from cnnlib.config.tasks import read_tasks
from cnnlib.config.yaml_text import dump_yaml
from cnnlib.lookup import unknown

_LONGEST_NAME = 200  # a file name holds 255 bytes


def folder_name(name: str) -> str:
    """``name``, if files can be kept under it. Raises ``ValueError`` if not."""
    if not re.fullmatch(r"\w[\w.,=+-]*", name) or ".." in name or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"must be fit for a folder: letters, digits and _ . , = + - only, the first a letter, digit or _, "
            f"no '..', at most {_LONGEST_NAME} bytes; it is {name[: 2 * _LONGEST_NAME]!r}"
        )
    return name


def _key_path(path: str) -> str:
    if "" in path.split("."):
        raise ValueError(f"{path!r} is no key path: a part of it is empty")
    return path


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"must differ from each other; they are {list(seeds)}")
    return seeds


def _distinct_names(terms: tuple[LossTerm, ...]) -> tuple[LossTerm, ...]:
    names = [term.name for term in terms]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]!r} stands twice in one list: terms are logged by name")
    return terms


FolderName = Annotated[str, AfterValidator(folder_name)]
KeyPath = Annotated[str, AfterValidator(_key_path)]
Weight = Annotated[float, Ge(0)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Component(Section):
    """A class or function by name, and the options it is built with."""

    name: str
    """A name in the component's registry, or the dotted path of outside code."""
    options: dict[str, Any] = {}
    """Every option, those left to their default included, in the types of the constructor's signature."""

    @model_serializer(mode="wrap")
    def _flat(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """As it is written in YAML: the options beside the name."""
        dumped = handler(self)
        return {"name": dumped.pop("name"), **dumped.pop("options"), **dumped}


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
        AfterValidator(_distinct_names),
        OneOrMore(),
    ] = ()
    """A loss, or a list of terms that are added up."""
    weight: Weight = 1.0
    """What the task's loss is multiplied by."""


class TrainingConfig(Section):
    """How a model is trained."""

    epochs: Annotated[int, Ge(1)]
    """Passes over the training split."""
    batch_size: Annotated[int, Ge(1)] = 16
    """Samples per batch."""
    workers: Annotated[int, Ge(0)] = 2
    """Processes that load data; 0 loads in the training process."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """Number format of the forward pass; auto takes bf16-mixed where the hardware is quick at it."""
    clip_norm: Annotated[float, Gt(0)] | None = None
    """The gradient's largest Euclidean norm; null does not clip."""
    accumulate: Annotated[int, Ge(1)] = 1
    """Batches whose gradients make one step."""
    ema_decay: Annotated[float, Gt(0), Lt(1)] | None = None
    """Decay per step of the moving average of the weights that is evaluated and kept; null keeps none."""
    patience: Annotated[int, Ge(1)] | None = None
    """Epochs without a better validation score after which training stops; null never stops early."""


class ExperimentConfig(Section):
    """One experiment, complete. These are the sections of a configuration, and no other place lists them."""

    dataset: Annotated[Component, Registered("dataset")]
    """What is trained, validated and tested on."""
    augmentations: Annotated[
        tuple[Annotated[Component, Registered("augmentation")], ...], Strict(False), OneOrMore()
    ] = Field([], validate_default=True)
    """Applied to training samples in this order."""
    model: Annotated[Component, Registered("model")]
    """The network."""
    tasks: dict[str, Annotated[TaskConfig, Registered("task")]]
    """What is predicted, by the data set's target that it is trained on."""
    optimizer: Annotated[Component, Registered("optimizer")]
    """How a gradient becomes a step."""
    schedule: Annotated[Component, Registered("schedule")] = Field("constant", validate_default=True)
    """How the learning rate moves."""
    training: TrainingConfig
    """How a model is trained."""
    predictions: Annotated[Component, Registered("predictions")] = Field("folder", validate_default=True)
    """How the test split's predictions are kept."""

    @field_validator("tasks", mode="wrap")
    @classmethod
    def _read_tasks(cls, value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
        return read_tasks(value, handler, info.context)

    def flat(self) -> dict[str, Any]:
        """As it is written in YAML: plain values only."""
        return self.model_dump(mode="json")


class SuiteFile(Section):
    """What a suite's YAML holds beside the sections that its experiments share."""

    name: FolderName
    """Default: the file's name."""
    seeds: Annotated[
        tuple[Annotated[int, Ge(0), Lt(2**32)], ...], Strict(False), MinLen(1), AfterValidator(_distinct)
    ] = (0,)
    """Every experiment is run once under each."""
    experiments: Annotated[dict[str, dict[KeyPath, Any]], MinLen(1)] = Field(default_factory=dict)
    """Named overrides: dotted key paths or nested mappings."""
    grid: Annotated[dict[KeyPath, Annotated[list[Any], MinLen(1)]], MinLen(1)] = Field(default_factory=dict)
    """Values by dotted key path; every combination is run, of every experiment."""
    baseline: str = Field(default_factory=str)
    """The experiment that the others are tested against. Default: the first."""


class SuiteConfig(Section):
    """Experiments that are run under the same seeds and compared."""

    name: str
    seeds: tuple[int, ...]
    baseline: str
    """The experiment that the others are tested against."""
    experiments: dict[str, ExperimentConfig]

    def to_yaml(self) -> str:
        """A file from which ``load_suite`` makes an equal suite; sections that all experiments share stand once.

        Every option is written, those left to their default too, so that a later default changes nothing.
        """
        flat = {name: experiment.flat() for name, experiment in self.experiments.items()}
        first = flat[self.baseline]
        shared = {
            section: value
            for section, value in first.items()
            if all(each[section] == value for each in flat.values())
        }
        suite = {
            "name": self.name,
            "seeds": list(self.seeds),
            **shared,
            "experiments": {
                name: {section: value for section, value in each.items() if section not in shared}
                for name, each in flat.items()
            },
            "baseline": self.baseline,
        }
        return dump_yaml(suite)


SECTIONS = tuple(ExperimentConfig.model_fields)
SECTION_DEFAULTS: dict[str, Any] = {
    name: field.default for name, field in ExperimentConfig.model_fields.items() if not field.is_required()
}


def holds_component(path: Sequence[str]) -> bool:
    """Whether a component, which may be a bare name, stands at this key path of an experiment."""
    found = _type_at(path)
    found = _entry(found) if get_origin(found) is tuple else found
    return isinstance(found, type) and issubclass(found, Component)


def unknown_key(keys: Sequence[str]) -> str:
    """What to say of a key that an experiment does not have."""
    *above, key = keys
    return unknown_option(key, _type_at(above).model_fields) if above else unknown_section(key, SECTIONS)


def unknown_section(key: str, allowed: Sequence[str]) -> str:
    if key in SuiteFile.model_fields:
        return "belongs to the whole suite, and cannot differ between experiments"
    if key in TrainingConfig.model_fields:
        return f"there is no such section (did you mean 'training.{key}'?)"
    return unknown("section", key, allowed)


def _type_at(path: Sequence[str]) -> Any:
    found: Any = ExperimentConfig
    for key in path:
        if isinstance(found, type) and issubclass(found, BaseModel):
            field = found.model_fields.get(key)
            found = field.annotation if field else None
        else:
            found = _entry(found)
    return found


def _entry(collection: Any) -> Any:
    """The type of the entries of ``tuple[X, ...]`` or ``dict[str, X]``, without its metadata."""
    entries = [each for each in get_args(collection) if each not in (str, Ellipsis)]
    return (get_args(entries[0]) or entries)[0] if entries else None
