"""What a configuration is once it has been checked: fixed sections, and components with flat options."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import to_jsonable_python

from cnnlib.config.yaml_text import dump_yaml

_LONGEST_NAME = 200  # a file name holds 255 bytes


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"\w[\w.,=+-]*", name) or ".." in name or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"must be fit for a folder: letters, digits and _ . , = + - only, the first a letter, digit or _, "
            f"no '..', at most {_LONGEST_NAME} bytes; it is {name[: 2 * _LONGEST_NAME]!r}"
        )
    return name


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"must differ from each other; they are {list(seeds)}")
    return seeds


FolderName = Annotated[str, AfterValidator(_folder_name)]
Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1), AfterValidator(_distinct)
]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Component(_Section):
    """A class or function by name, and the options it is built with."""

    name: str
    """A name in the component's table, or the dotted path of outside code."""
    options: dict[str, Any] = {}
    """Every option, those left to their default included, in the types of the constructor's signature."""

    def flat(self) -> dict[str, Any]:
        """As it is written in YAML: the options beside the name."""
        return {"name": self.name, **self.options}


class LossTerm(Component):
    """One term of a task's loss."""

    weight: Weight = 1.0
    """What the term is multiplied by; a term of weight 0 is logged and not trained on."""

    def flat(self) -> dict[str, Any]:
        return super().flat() | {"weight": self.weight}


class TaskConfig(Component):
    """A task, what it is trained with, and how much it counts."""

    loss: tuple[LossTerm, ...]
    """At least one term, no two of one name."""
    weight: Weight = 1.0
    """What the task's loss is multiplied by."""

    def flat(self) -> dict[str, Any]:
        return super().flat() | {"loss": [term.flat() for term in self.loss], "weight": self.weight}


class TrainingConfig(_Section):
    """How a model is trained."""

    epochs: Annotated[int, Field(ge=1)]
    """Passes over the training split."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Samples a batch."""
    workers: Annotated[int, Field(ge=0)] = 2
    """Processes that load data; 0 loads in the training process."""
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    """Number format of the forward pass; auto takes bf16-mixed where the hardware is quick at it."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """The gradient's largest Euclidean norm; null does not clip."""
    accumulate: Annotated[int, Field(ge=1)] = 1
    """Batches whose gradients make one step."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay a step of the moving average of the weights that is evaluated and kept; null keeps none."""
    patience: Annotated[int, Field(ge=1)] | None = None
    """Epochs without a better validation score after which training stops; null never stops early."""


class ExperimentConfig(_Section):
    """One experiment, complete: nothing is left to a default."""

    dataset: Component
    augmentations: tuple[Component, ...]
    model: Component
    tasks: dict[str, TaskConfig]
    """By the entry of the batch that each is trained on."""
    optimizer: Component
    schedule: Component
    training: TrainingConfig
    predictions: Component

    def flat(self) -> dict[str, Any]:
        """As it is written in YAML."""
        return {
            "dataset": self.dataset.flat(),
            "augmentations": [augmentation.flat() for augmentation in self.augmentations],
            "model": self.model.flat(),
            "tasks": {key: task.flat() for key, task in self.tasks.items()},
            "optimizer": self.optimizer.flat(),
            "schedule": self.schedule.flat(),
            "training": self.training.model_dump(),
            "predictions": self.predictions.flat(),
        }


class SuiteConfig(_Section):
    """Experiments that are run under the same seeds and compared."""

    name: FolderName
    seeds: Seeds
    baseline: str
    """The experiment that the others are tested against."""
    experiments: dict[FolderName, ExperimentConfig]

    def to_yaml(self) -> str:
        """A file from which ``load_suite`` makes an equal suite; sections that all experiments share stand once.

        Every option is written, those left to their default too, so that a later default changes nothing.
        """
        flat = {name: experiment.flat() for name, experiment in self.experiments.items()}
        first = flat[self.baseline]
        shared = [
            section for section in SECTIONS if all(each[section] == first[section] for each in flat.values())
        ]
        suite = {
            "name": self.name,
            "seeds": self.seeds,
            **{section: first[section] for section in shared},
            "experiments": {
                name: {section: value for section, value in each.items() if section not in shared}
                for name, each in flat.items()
            },
            "baseline": self.baseline,
        }
        return dump_yaml(to_jsonable_python(suite))


SECTION_DEFAULTS: dict[str, Any] = {"augmentations": [], "schedule": "constant", "predictions": "folder"}
SUITE_KEYS = ("name", "seeds", "baseline", "experiments", "grid")
SECTIONS = tuple(ExperimentConfig.model_fields)
