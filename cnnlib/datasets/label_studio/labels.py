"""From what annotators chose to classes, and to the votes for each image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cnnlib.checks import did_you_mean
from cnnlib.datasets.label_studio.export import Choice
from cnnlib.datasets.problems import Problems


class LabelTable:
    """Which class each spelling means; upper and lower case, and blanks around, do not matter.

    Args:
        labels: the spellings of each class, beside its name; ``None``: every spelling that is met is a class.
        choices: all there are, by export.
    """

    def __init__(
        self,
        labels: Mapping[str, Sequence[str]] | None,
        choices: Iterable[Iterable[Choice]],
        problems: Problems,
    ) -> None:
        if labels is None:
            met = sorted({text.strip() for each in choices for choice in each for text in choice.spellings})
            labels = dict.fromkeys(met, ())
        self.names = tuple(labels)
        self._classes: dict[str, str] = {}
        for name, spellings in labels.items():
            for text in (name, *spellings):
                known = self._classes.setdefault(_plain(text), name)
                if known != name:
                    problems.add(
                        "spellings of two classes; `labels` must distinguish them",
                        f"{text!r}: {known}, {name}",
                    )

    def read(self, choices: Iterable[Choice], problems: Problems) -> Iterator[tuple[Choice, str]]:
        """Each choice with its class; unknown spellings are problems."""
        for choice in choices:
            classes = {self._classes.get(_plain(text)) for text in choice.spellings}
            for text in choice.spellings:
                if _plain(text) not in self._classes:
                    near = did_you_mean(_plain(text), self._classes)
                    problems.add(
                        "labels that are no spelling in `labels`", f"{text!r}{near} ({choice.place})"
                    )
            if len(classes) > 1:
                problems.add(
                    "annotations with several classes; one is expected",
                    f"{choice.spellings} ({choice.place})",
                )
            elif (name := classes.pop()) is not None:
                yield choice, name


def _plain(text: str) -> str:
    return text.strip().casefold()


def of_one_control(
    choices: Sequence[Choice], path: Path, from_name: str | None, problems: Problems
) -> list[Choice]:
    """The choices of an export made in its only control, or of several in ``from_name``; and those of nothing."""
    controls = sorted({choice.control for choice in choices if choice.spellings})
    if len(controls) > 1 and from_name not in controls:
        problems.add(
            "exports with several controls; set from_name to the one that has the classes",
            f"{path}: {', '.join(controls)}",
        )
    wanted = from_name if from_name in controls else "".join(controls[:1])
    return [choice for choice in choices if choice.control == wanted or not choice.spellings]
