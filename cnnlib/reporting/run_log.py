"""``run.log``: a run as a person reads it from top to bottom, in plain text (UTF-8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cnnlib.files import write_atomically
from cnnlib.reporting.layers import layers_of, megabytes
from cnnlib.reporting.plain_text import aligned, calibration_lines, confusion_lines, decimal, score_lines
from cnnlib.reporting.words import duration
from cnnlib.tasks import Task
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.types import SampleSource

_LINE = "=" * 100


class RunLog:
    """Written whole each time, as the table of epochs is: a kill leaves a complete file, and a run that is picked up
    again lists each epoch once.

    Args:
        path: the file.
        description: what is known before training, as ``describe_run`` gives it.
        rows: of the completed epochs.
        metrics: the keys of an epoch's numbers that are shown beside the losses, such as ``val/mask/iou``.
    """

    def __init__(
        self, path: Path, description: str, rows: Sequence[Mapping[str, float]], metrics: Sequence[str]
    ) -> None:
        self.path = path
        self.description = description
        self.rows = list(rows)
        self.metrics = metrics
        self._write()

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self.rows.append(dict(scalars))
        self._write()

    def log_result(self, result: Mapping[str, Any], counts: Mapping[str, ClassCounts]) -> None:
        """The end of the log.

        Args:
            result: what ``result.json`` will hold.
            counts: of the classes on the test split, by task.
        """
        lines = [
            *_section(
                f"TEST with the weights of epoch {result['best_epoch']}, the best on the validation split"
            )
        ]
        constant = result["constant"]
        lines += aligned(
            [["metric", "this run", "constant predictor"]]
            + [
                [key, decimal(value), decimal(constant[key]) if key in constant else ""]
                for key, value in result["test"].items()
            ]
        )
        for key, one in counts.items():
            lines += _class_lines(key, one)
        self._write([*lines, *_duration_lines(result)])

    def _write(self, ending: Sequence[str] = ()) -> None:
        lines = [self.description.rstrip(), *_section("TRAINING"), *self._epochs(), *ending]
        write_atomically(self.path, "\n".join([*lines, ""]))

    def _epochs(self) -> list[str]:
        rates = dict.fromkeys(key for row in self.rows for key in row if key.startswith("learning_rate"))
        losses = ["train/loss", "val/loss", *self.metrics]
        table, before = [["epoch", *losses, *rates, "seconds"]], 0.0
        for row in self.rows:
            numbers = [decimal(row.get(key)) for key in losses]
            numbers += [f"{row[key]:.2e}" if key in row else "" for key in rates]
            table.append([f"{row['epoch']:.0f}", *numbers, f"{row['seconds'] - before:.1f}"])
            before = row["seconds"]
        return aligned(table, left=0)


def describe_run(
    title: str,
    config: str,
    machine: Mapping[str, Any],
    inputs: Mapping[str, int],
    splits: Mapping[str, SampleSource],
    tasks: Mapping[str, Task],
    model: nn.Module,
    image: Tensor,
) -> str:
    """What is known of a run before it trains.

    Args:
        title: its first line.
        config: the YAML that repeats it.
        machine: what it runs on.
        inputs: the pictures that an image is made of and their channels.
        splits: name to samples.
        tasks: by target.
        model: as it will be trained.
        image: one of the images, (C, H, W), on the model's device.
    """
    lines = [title, *_section("CONFIGURATION"), *config.rstrip().splitlines()]
    lines += [
        *_section("MACHINE"),
        *aligned([[key, _plain(value)] for key, value in machine.items()], left=2),
    ]
    lines += [*_section("DATA"), *_data_lines(inputs, splits, tasks, image)]
    lines += [*_section("MODEL"), *_model_lines(model, image)]
    return "\n".join(lines)


def _section(title: str) -> list[str]:
    return ["", _LINE, title, _LINE]


def _plain(value: Any) -> str:
    return (
        ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, Mapping) else str(value)
    )


def _data_lines(
    inputs: Mapping[str, int], splits: Mapping[str, SampleSource], tasks: Mapping[str, Task], image: Tensor
) -> Iterator[str]:
    pictures = " + ".join(f"{name} ({channels} channels)" for name, channels in inputs.items())
    yield f"image: {pictures}, {image.shape[1]} x {image.shape[2]} pixels (height x width)"
    for name, samples in splits.items():
        yield f"{name}: {len(samples)} samples{_class_sizes(samples)}"
    for key, task in tasks.items():
        names = task.info.names
        yield f"{key}: {task.kind}" + (f"; {len(names)} names: {', '.join(names)}" if names else "")


def _class_sizes(samples: SampleSource) -> str:
    """How many samples of each class, where the data set gives them without reading an image."""
    try:
        classes = [samples.label_class(index) for index in range(len(samples))]
    except AttributeError:
        return ""
    known = sorted({name for name in classes if name is not None})
    return f" ({', '.join(f'{name} {classes.count(name)}' for name in known)})" if known else ""


def _model_lines(model: nn.Module, image: Tensor) -> list[str]:
    layers = layers_of(model, image)
    table = [["layer", "class", "output", "parameters"]]
    table += [[layer.name, layer.kind, layer.output, f"{layer.parameters:,}"] for layer in layers]
    total, trainable = (sum(getattr(layer, key) for layer in layers) for key in ("parameters", "trainable"))
    return [
        f"{type(model).__name__}; layers with parameters, and what they give for one image:",
        *aligned(table, left=3),
        f"parameters: {total:,} ({trainable:,} trainable, {total - trainable:,} frozen)",
        f"size: {megabytes(model):.2f} MB (parameters and buffers)",
    ]


def _class_lines(key: str, counts: ClassCounts) -> list[str]:
    lines: list[str] = []
    if counts.pairs:
        lines += ["", f"{key}: confusion matrix, in {counts.unit}", *confusion_lines(counts)]
    lines += ["", f"{key}: class by class (support: {counts.unit})", *score_lines(counts)]
    if counts.bins:
        lines += ["", f"{key}: calibration", *calibration_lines(counts)]
    return lines


def _duration_lines(result: Mapping[str, Any]) -> list[str]:
    seconds, epochs = result["seconds"], result["epochs"]
    return [
        *_section("DURATION"),
        f"training and validation: {duration(seconds)} ({seconds:.1f} s, {epochs} epochs, "
        f"{result['images_per_second']:.1f} training images/s)",
        f"test: {result['test_seconds']:.1f} s, saving of predictions and metrics included",
        f"peak memory: {result['peak_memory_mib']:.0f} MiB",
    ]
