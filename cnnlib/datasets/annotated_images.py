"""Images described by annotation files: what such data sets have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Generic, NamedTuple

from cnnlib.datasets.annotation_pairs import (
    AnnotationFile,
    R,
    folders_of,
    list_pictures,
    own_group,
    paired_rows,
    report_left_out,
)
from cnnlib.datasets.file_samples import FileSamples, Input
from cnnlib.datasets.file_source import FileDataSource, paired_names
from cnnlib.datasets.listing import ImageFolder, groups_of
from cnnlib.datasets.name_patterns import name_part
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import split_indices
from cnnlib.datasets.target_files import TargetSource
from cnnlib.types import Fit


class AnnotatedPictures(NamedTuple, Generic[R]):
    """Pictures and their annotations."""

    files: Sequence[AnnotationFile[R]]
    pictures: ImageFolder
    """Those that have an annotation."""
    prefixes: Sequence[str]
    """What the names of each folder's pictures start with."""
    rows: Mapping[str, R]
    """By the picture's name."""
    left_out: Mapping[str, Sequence[str]]
    """Names by what they are."""


def read_annotated(
    base: Path,
    annotations: str | Sequence[str],
    images: str | Sequence[str],
    read: Callable[[Path], AnnotationFile[R] | None],
    without: str,
    problems: Problems,
) -> AnnotatedPictures[R]:
    """The pictures in the folders ``images``, and what the files ``annotations`` say of them.

    Args:
        base: the folder that all of them are in.
        read: reads an annotation file; ``None`` where it has added why it cannot to ``problems``.
        without: what images without an annotation are called.

    Raises:
        CnnlibError: there are problems, or folders are missing or empty, or are not one for each file.
    """
    given = [annotations] if isinstance(annotations, str) else annotations
    files = [read(base / path) for path in given]
    folders, prefixes = folders_of(images, len(files))
    pictures = list_pictures([base / folder for folder in folders], prefixes, problems)
    rows, left_out = paired_rows(zip(files, cycle(prefixes)), pictures, problems, without)
    return AnnotatedPictures(files, pictures, prefixes, rows, left_out)


class AnnotatedDataSource(FileDataSource):
    """A data set of annotated pictures, the input ``image``.

    Args:
        found: as ``read_annotated`` gives it.
        image: as the pictures are shown.
        targets: of the pictures.
        problems: found so far, in the data set that they name; they are raised with those of names and groups.
        others: options as in ``Boxes``.
    """

    def __init__(
        self,
        found: AnnotatedPictures[R],
        image: Input,
        targets: Mapping[str, TargetSource],
        problems: Problems,
        *,
        size: int | None,
        fit: Fit,
        val: float,
        test: float,
        seed: int,
        group_pattern: str | None,
        max_pixels: int,
        check: int | None,
    ) -> None:
        inputs = {"image": image}
        names = paired_names(inputs, targets, problems)
        groups = None
        if group_pattern is not None:
            group_of = name_part("group_pattern", group_pattern)
            groups = groups_of(names, partial(own_group, group_of, found.prefixes), "group", problems)
        problems.raise_any()
        parts = split_indices(len(names), val, test, seed, groups)
        super().__init__(
            FileSamples(names, inputs, targets, size, groups, fit, max_pixels), parts, problems.what, check
        )
        self._left_out = found.left_out

    def check(self) -> None:
        """As every data set of files; reports on stderr what is left out."""
        super().check()
        report_left_out(self._what, self._left_out)
