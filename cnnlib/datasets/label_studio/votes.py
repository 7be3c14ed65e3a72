"""Whose vote is for which image, and what is left out on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnlib.datasets.label_studio.export import Choice, read_export
from cnnlib.datasets.label_studio.images import ImageFinder
from cnnlib.datasets.label_studio.labels import LabelTable, of_one_control
from cnnlib.datasets.label_studio.left_out import LeftOut
from cnnlib.datasets.problems import Problems

_UNPAIRED = "annotations without an image (more than half of all; do exports and images belong together?)"


@dataclass
class Votes:
    """The classes that were chosen for each image, and what the images of other choices are called.

    Attributes:
        of: by the sample's name.
        conflicts: names that several images have.
        unknown: names that no image has.
    """

    of: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    conflicts: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def labels(self) -> dict[str, str]:
        """By image, the class with the most votes; without those of which two have as many."""
        ranked = {name: Counter(votes).most_common(2) for name, votes in self.of.items()}
        return {
            name: best[0][0] for name, best in ranked.items() if len(best) == 1 or best[0][1] > best[1][1]
        }

    def ties(self) -> list[str]:
        """The others, each with its votes: ``anna/x (neutral 2, pronation 2)``."""
        decided = self.labels()
        return [
            f"{name} ({', '.join(f'{label} {count}' for label, count in sorted(Counter(votes).items()))})"
            for name, votes in self.of.items()
            if name not in decided
        ]


def read_choices(
    exports: Sequence[Path], from_name: str | None, problems: Problems, left_out: LeftOut
) -> dict[Path, list[Choice]]:
    """The choices of each export, without those of nothing."""
    read = {}
    for path in exports:
        if path.stat().st_size == 0:
            left_out.add("exports that are empty files", [str(path)])
            continue
        choices = of_one_control(read_export(path, problems, left_out), path, from_name, problems)
        read[path] = [choice for choice in choices if choice.spellings]
        empty = [choice.place for choice in choices if not choice.spellings]
        left_out.add("annotations without a choice", empty)
    return read


def count_votes(
    choices: Mapping[Path, Sequence[Choice]],
    folders: Mapping[Path, Sequence[str]],
    finder: ImageFinder,
    table: LabelTable,
    problems: Problems,
) -> Votes:
    """
    Args:
        choices: by export.
        folders: of each export, where its images are looked for: in the first, or else in the next.
    """
    votes = Votes()
    count = 0
    for path, chosen in choices.items():
        for choice, label in table.read(chosen, problems):
            count += 1
            found = next(filter(None, (finder.find(choice.images, folder) for folder in folders[path])), [])
            if len(found) == 1:
                votes.of[found[0]].append(label)
            else:
                called = choice.images[0] if choice.images else choice.place
                (votes.conflicts if found else votes.unknown).append(called)
    if len(votes.unknown) > count / 2:
        for called in votes.unknown:
            problems.add(_UNPAIRED, called)
    return votes
