"""Runs as TensorBoard shows them: ``tensorboard --logdir runs/<suite>``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from cnnlib.reporting.class_pictures import confusion_picture, reliability_picture
from cnnlib.reporting.results import SuiteResults
from cnnlib.tasks import Task
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.tasks.panel import draw_panel, panel_tensor
from cnnlib.types import Predicted

_LAYOUT_SUFFIX = ".layout"
_SHARED_CHARTS = {"weighting/cosine/": "cosines", "weighting/conflict/": "conflicts", "weighting/": "weights"}
"""How the tags begin that have one chart together, the longer beginning first, to its title."""


class TensorBoardLogger:
    """Writes event files into a run's folder.

    Args:
        folder: the run's folder.
        purge_step: a run that is picked up again says which step it writes next: what an earlier attempt wrote for
            that step and later ones is not shown any more.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        self._writer = SummaryWriter(str(folder), purge_step=purge_step)

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        for tag, value in scalars.items():
            if tag != "epoch":  # that is the step
                self._writer.add_scalar(tag, value, step)
        self._writer.flush()

    def log_picture(self, tag: str, picture: Tensor, step: int) -> None:
        """``picture`` is uint8 (3, H, W)."""
        self._writer.add_image(tag, picture, step)

    def log_classes(self, counts: Mapping[str, ClassCounts], step: int) -> None:
        """What a test split shows of its classes, by task: the confusion matrix and the reliability diagram."""
        for key, one in counts.items():
            if one.pairs:
                self.log_picture(f"test/{key}/confusion", confusion_picture(one), step)
            if one.bins:
                self.log_picture(f"test/{key}/calibration", reliability_picture(one), step)

    def log_hparams(self, hyperparameters: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """A line in the table of the HParams tab: what the run was given (nested, as in a config), and what came out.

        Written into the run's own event file: ``SummaryWriter.add_hparams`` would open a second run beside it. Without
        its description of the table's columns, for which TensorBoard would take any one run's, TensorBoard makes them
        of all runs, those in which the runs differ first.
        """
        _, given, ended = hparams(dict(_flat(hyperparameters)), dict(metrics))
        self._writer.file_writer.add_summary(given)
        self._writer.file_writer.add_summary(ended)
        for tag, value in metrics.items():
            self._writer.add_scalar(tag, value)

    def close(self) -> None:
        self._writer.close()


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str | float]]:
    """Dotted path and value, which the table wants to be a string or a number; several components in one line."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        yield path, " + ".join(map(_in_brief, value))
    else:
        yield path, value if isinstance(value, int | float | str) else str(value)


def _in_brief(component: Mapping[str, Any]) -> str:
    options = [f"{key}={value}" for key, value in component.items() if key != "name" and value is not None]
    return " ".join([*([component["name"]] if "name" in component else []), *options])


@dataclass
class PanelSink:
    """Shows the first predictions of an epoch's validation as panels, under one tag per sample."""

    logger: TensorBoardLogger
    tasks: Mapping[str, Task]
    inputs: Mapping[str, int]
    """The pictures that an image is made of and their channels."""
    step: int
    """The epoch."""
    count: int
    """How many samples are (still) to be shown."""

    def write(self, sample: Predicted) -> None:
        if self.count == 0:
            return
        self.count -= 1
        panel = panel_tensor(draw_panel(sample, self.inputs, self.tasks))
        self.logger.log_picture(f"panels/{sample.name}", panel, self.step)

    def close(self) -> None:
        """Nothing is held open."""


def write_layout(suite: SuiteResults) -> None:
    """Gives TensorBoard's Custom Scalars tab one chart per metric with every run of the suite on it.

    The layout of an earlier call is replaced.
    """
    for old in suite.folder.glob(f"events.out.tfevents.*{_LAYOUT_SUFFIX}"):
        old.unlink()
    tags = dict.fromkeys(tag for run in suite.runs for tag in run.history)
    charts = chart_layout(tag for tag in tags if tag.startswith(("train/", "val/", "weighting/")))
    if charts:
        with SummaryWriter(str(suite.folder), filename_suffix=_LAYOUT_SUFFIX) as writer:
            writer.add_custom_scalars(charts)


def chart_layout(tags: Iterable[str]) -> dict[str, dict[str, list[Any]]]:
    """Category to chart to its kind and tags, as ``SummaryWriter.add_custom_scalars`` takes it.

    One category per task (``loss`` for what belongs to all), one chart per tag; how the tasks are weighed is a category
    of its own, where all weights are one chart, all cosines another. A tag is matched as a regular expression from its
    start, so it is escaped and closed.
    """
    layout: dict[str, dict[str, list[Any]]] = {}
    for tag in tags:
        shared = (("weighting", title) for start, title in _SHARED_CHARTS.items() if tag.startswith(start))
        category, title = next(shared, (tag.split("/")[1], tag))
        _, patterns = layout.setdefault(category, {}).setdefault(title, ["Multiline", []])
        patterns.append(f"^{re.escape(tag)}$")
    return layout
