"""A training run as a person at the terminal sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class ConsoleProgress:
    """A bar with loss, validation metric, images per second and time left; one line per epoch without a terminal.

    Args:
        label: what is being trained.
        shown: the keys of the epoch's numbers that are worth a place, such as ``"val/mask/iou"``.
        console: where it is shown; standard error by default.
    """

    def __init__(self, label: str, shown: Sequence[str], console: Console | None = None) -> None:
        self.label = label
        self.shown = tuple(shown)
        self.console = console or Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:3.0f} %  {task.fields[note]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.metric_note = ""

    def start(self, epochs: int, steps: int, done: int) -> None:
        self.epochs, self.steps, self.epochs_done = epochs, steps, done
        self.task = self.bar.add_task(self.label, total=epochs * steps, completed=done * steps, note="")
        self.bar.start()

    def steps_done(self, steps: int, loss: float, images_per_second: float) -> None:
        note = f"loss {loss:.4f}  {self.metric_note}{images_per_second:.0f} images/s"
        self.bar.update(self.task, completed=self.epochs_done * self.steps + steps, note=note)

    def epoch_done(self, numbers: Mapping[str, float]) -> None:
        self.epochs_done += 1
        metrics = "  ".join(f"{key} {numbers[key]:.4f}" for key in self.shown)
        self.metric_note = f"{metrics}  "
        if not self.console.is_terminal:
            self.console.print(
                f"{self.label}  epoch {self.epochs_done}/{self.epochs}  loss {numbers['train/loss']:.4f}  "
                f"{metrics}  {numbers['images_per_second']:.0f} images/s",
                soft_wrap=True,
                highlight=False,
            )

    def stop(self) -> None:
        self.bar.stop()


class SilentProgress:
    """Shows nothing: for runs that are only timed."""

    def start(self, epochs: int, steps: int, done: int) -> None: ...

    def steps_done(self, steps: int, loss: float, images_per_second: float) -> None: ...

    def epoch_done(self, numbers: Mapping[str, float]) -> None: ...

    def stop(self) -> None: ...
