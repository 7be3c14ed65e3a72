"""What a run keeps of its data (``data.json``), and the tasks that are built from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, MinLen
from pydantic import TypeAdapter, ValidationError

from cnnlib.files import read_bytes, write_atomically
from cnnlib.lookup import find
from cnnlib.tasks import TASKS, Task
from cnnlib.types import CnnlibError, DataSource, Fit, TargetInfo


@dataclass(frozen=True)
class DataDescription:
    """``DataSource`` without its samples: the attributes are its."""

    inputs: Annotated[dict[str, Annotated[int, Ge(1)]], MinLen(1)]
    targets: dict[str, TargetInfo]
    size: Annotated[int, Ge(1)] | None
    fit: Fit = "stretch"


_JSON = TypeAdapter(DataDescription)


def write_data(data: DataSource, folder: Path) -> None:
    """``data.json`` in a run's folder."""
    description = DataDescription(
        dict(data.inputs), dict(data.targets), data.size, getattr(data, "fit", "stretch")
    )
    write_atomically(folder / "data.json", _JSON.dump_json(description, indent=2) + b"\n")


def read_data(folder: Path) -> DataDescription:
    """What ``write_data`` wrote; raises ``CnnlibError`` where it is missing or damaged."""
    path = folder / "data.json"
    try:
        return _JSON.validate_json(read_bytes(path))
    except FileNotFoundError:
        raise CnnlibError(f"{path}: missing; run the experiment again") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CnnlibError(
            f"{path}: damaged ({place}: {first['msg']}); delete the run's folder to run it again"
        ) from None


def build_tasks(
    sections: Mapping[str, Mapping[str, Any]], targets: Mapping[str, TargetInfo]
) -> dict[str, Task]:
    """The tasks of an experiment, on the ``targets`` of the data set.

    Args:
        sections: of its config, by task: ``name``, a name in ``TASKS`` or a dotted path, and the options.

    Raises:
        CnnlibError: a task has no target in the data, is of another kind, or cannot be built; it is named.
    """
    tasks = {}
    for key, section in sections.items():
        if key not in targets:
            raise CnnlibError(f"tasks.{key}: the data have no such target; they have {', '.join(targets)}")
        options = {name: value for name, value in section.items() if name != "name"}
        kind = section.get("name", targets[key].kind)
        try:
            tasks[key] = find(kind, TASKS, "task", (Task,), needs=("kind",))(info=targets[key], **options)
        except (CnnlibError, TypeError) as error:
            raise CnnlibError(f"tasks.{key}: {error}") from None
        if tasks[key].kind in TASKS and tasks[key].kind != targets[key].kind:
            raise CnnlibError(
                f"tasks.{key}: the data's target is for a {targets[key].kind} task, not for a {tasks[key].kind} task; "
                "set its name, or the kind of the data set's target"
            )
    return tasks
