"""A data set of image files: its splits, and what is wrong with its names and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from cnnlib.datasets.file_checks import check_files
from cnnlib.datasets.file_samples import FileSamples, Input
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import Subset, split_of
from cnnlib.datasets.target_files import TargetSource
from cnnlib.files import file_stem
from cnnlib.types import CnnlibError, SampleSource, Split


class FileDataSource:
    """A data set of files.

    Args:
        samples: of all splits.
        splits: the indices of each.
        what: the data set in words, for messages.
        check: how many samples ``check`` looks into; ``None``: all.

    Attributes:
        skipped: the samples that ``skip_broken`` has left out; ``None`` before.
    """

    def __init__(
        self, samples: FileSamples, splits: Mapping[Split, np.ndarray], what: str, check: int | None
    ) -> None:
        self.inputs = dict.fromkeys(samples.inputs, 3)
        self.targets = {key: target.info for key, target in samples.targets.items()}
        self.size, self.fit = samples.size, samples.fit
        self._samples = samples
        self._splits = splits
        self._what = what
        self._count = check
        self.skipped: tuple[str, ...] | None = None

    def split(self, part: Split) -> SampleSource:
        return Subset(self._samples, split_of(self._splits, part))

    def listed(self) -> Iterator[tuple[Split, str, str | None, list[Path]]]:
        """Of each sample in a split: the split, its name, its class where it has one, and its files; none is read."""
        samples = self._samples
        for part, indices in self._splits.items():
            for index in indices.tolist():
                yield part, samples.names[index], samples.label_class(index), samples.files(index)

    def check(self) -> None:
        """Decodes the files; raises ``CnnlibError`` with every kind of problem, its count, and the first few."""
        if self.skipped is not None:
            return  # all were looked into
        problems = Problems(self._what)
        check_files(self._samples, self._count, problems, problems)
        problems.raise_any()

    def skip_broken(self, most: float) -> None:
        """Leaves out of all splits the samples of which a file cannot be used, and reports them on stderr.

        A sample goes as a whole, also where only one of its targets, or a background that it shares, is broken: what
        is trained and measured then has all its labels. The others stay in the splits that they are in. All files are
        looked into, whatever ``check`` is.

        Args:
            most: the largest share of all samples that may be left out.

        Raises:
            CnnlibError: there are more, or the others do not fit together: see ``check``.
        """
        if self.skipped is not None:
            return
        broken, at_odds = Problems(self._what), Problems(self._what)
        lost = check_files(self._samples, None, broken, at_odds)
        names = self._samples.names
        broken.leave_out(len(lost), len(names), most)
        at_odds.raise_any()
        self.skipped = tuple(name for name in names if name in lost)
        self._samples.measured = next(i for i, name in enumerate(names) if name not in lost)
        self._splits = {
            part: np.array([i for i in indices if names[i] not in lost], np.int64)
            for part, indices in self._splits.items()
        }


def paired_names(
    inputs: Mapping[str, Input], targets: Mapping[str, TargetSource], problems: Problems
) -> list[str]:
    """The samples that have every input, sorted; those that have not are problems, as are targets without a picture."""
    *others, main = inputs
    pictures = inputs[main].folder
    for key, target in targets.items():
        for name in sorted(set(target.names) - pictures.keys()):
            problems.add(f"{key} targets without an image of the same name in {pictures}", name)
        for name in target.repeated:
            problems.add(
                f"{key} targets in several rows; several per image, such as boxes, are not supported", name
            )
        if pictures.keys().isdisjoint(target.names):
            problems.add("targets that no image has", key)
    names = sorted(pictures)
    for key in others:
        folder, partner, expected, _ = inputs[key]
        partners = {name: partner(name) for name in names}
        for name, found in partners.items():
            if found is None:
                problems.add(f"images whose {key} is not known; expected {expected}", name)
            elif found not in folder:
                problems.add(f"images whose {key} is not in {folder}", f"{name} needs {found}")
        names = [name for name in names if partners[name] in folder]
    check_names(names, problems)
    return names


def check_names(names: Sequence[str], problems: Problems) -> None:
    """Predictions are saved under the samples' names, on file systems that may take A and a for one."""
    seen: dict[str, str] = {}
    for name in names:
        try:
            file_stem(name)
        except CnnlibError as error:
            problems.add("names that predictions cannot be saved under", str(error))
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            problems.add("names that differ in upper and lower case alone", f"{twin}, {name}")
