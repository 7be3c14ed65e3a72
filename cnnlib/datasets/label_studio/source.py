"""Images and their classes, from what several people chose in Label Studio."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from typing import Annotated

import numpy as np
from annotated_types import MinLen

from cnnlib.checks import checked
from cnnlib.datasets.annotation_pairs import list_pictures, report_left_out
from cnnlib.datasets.file_samples import FileSamples, Input
from cnnlib.datasets.file_source import FileDataSource, paired_names
from cnnlib.datasets.label_studio.files import find_exports, folders_without, participant
from cnnlib.datasets.label_studio.images import ImageFinder, copies_of
from cnnlib.datasets.label_studio.labelled import labelled
from cnnlib.datasets.label_studio.labels import LabelTable
from cnnlib.datasets.label_studio.left_out import LeftOut
from cnnlib.datasets.label_studio.votes import count_votes, read_choices
from cnnlib.datasets.listing import groups_of
from cnnlib.datasets.options import USUAL_PIXELS, CheckCount, MaxPixels, Seed, Share, Side
from cnnlib.datasets.problems import Problems, opened
from cnnlib.datasets.splits import split_free, split_indices
from cnnlib.datasets.target_files import TargetSource, read_class
from cnnlib.types import Fit, Split, TargetInfo


class LabelStudio(FileDataSource):
    """Images of one class each, from exports of Label Studio (JSON or JSON_MIN): the target ``label`` of ``image``.

    Everybody who took part may have a folder below ``root`` with images and an export; equal names in two folders are
    two images. Images are found by their name, with or without the hash that Label Studio puts in front; paths of
    Windows and percent-encoded ones are understood. The name of a sample starts with its folders. An image that several
    annotated has the class that most of them chose; without a majority it is left out. Files of equal content are
    one image.

    ``check`` reports the counts and what is left out: annotations that are empty or cancelled, or have no image; ties
    with their votes; images without a label; folders without an export, or with an empty file in its place.

    Args:
        root: the folder that the others are in.
        exports: the JSON files: a path, a folder with such files at any depth, a pattern (``*/labels.json``), or a list
            of these.
        images: the one folder of the images of all exports, searched with all folders in it. Without it, the images of
            an export are in the same folder just below ``root`` as the export itself.
        labels: the classes in their order, each with the spellings that mean it, ``{neutral: [neutralis, semleges]}``,
            beside its name; case does not matter. Without it, every spelling is a class.
        from_name: the control whose choices are the classes, where there are several (in JSON_MIN, the column).
        consensus: exports of images that several people annotated, given like ``exports``: these images become the test
            set, with the class that most chose there. They are looked for beside these exports, then in all folders;
            where several have an image of that name, it is left out. No other image called like one of the test set is
            used.
        size: samples become ``size`` x ``size``. Without it images must share one size.
        fit: how pictures of another shape become square: they are stretched, or ``pad`` makes the longer side ``size``
            and adds black at the right and at the bottom.
        val, test: the shares of a random split; the rest is for training. With ``consensus``, ``val`` is a share of
            what is not in the test set, and ``test`` has no meaning.
        seed: of the random split.
        group_by_folder: images of one folder just below ``root`` (or ``images``) are a group, which no random split
            divides.
        max_pixels: a file that says that it has more is not decoded, and is an error like every other.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: for an option that cannot work, or for files that cannot: one message with every kind of problem,
            its count and the first few. An unknown spelling is one, as are more than half of the annotations without
            an image.
    """

    @checked
    def __init__(
        self,
        root: str,
        exports: str | Annotated[list[str], MinLen(1)] = "**/*.json",
        images: str | None = None,
        labels: Annotated[dict[str, list[str]], MinLen(2)] | None = None,
        from_name: str | None = None,
        consensus: str | Annotated[list[str], MinLen(1)] | None = None,
        size: Side | None = None,
        fit: Fit = "stretch",
        val: Share = 0.1,
        test: Share = 0.1,
        seed: Seed = 0,
        group_by_folder: bool = False,
        max_pixels: MaxPixels = USUAL_PIXELS,
        check: CheckCount | None = None,
    ) -> None:
        base, problems = opened(root)
        left_out = LeftOut()
        shared = find_exports(base, consensus, "consensus", problems) if consensus else []
        own = [path for path in find_exports(base, exports, "exports", problems) if path not in shared]
        pictures = list_pictures([base / (images or "")], [""], problems)
        folder = {path: participant(path, base) if images is None else "" for path in (*own, *shared)}
        if images is None:
            left_out.add("folders without an export", folders_without(folder.values(), pictures))
        own_choices = read_choices(own, from_name, problems, left_out)
        shared_choices = read_choices(shared, from_name, problems, left_out)
        table = LabelTable(labels, [*own_choices.values(), *shared_choices.values()], problems)
        copies = copies_of(pictures)
        count = partial(count_votes, finder=ImageFinder(pictures, copies), table=table, problems=problems)
        left_out.add("images with the content of another one", copies)
        found = labelled(
            count(own_choices, {path: [folder[path]] for path in own}),
            count(shared_choices, {path: [folder[path], ""] for path in shared}),
            pictures.keys() - copies.keys(),
            left_out,
        )
        if consensus and not found.tested:
            problems.add("consensus without an image that can be tested on", str(consensus))
        classes = {**found.free, **found.tested}
        if not classes:
            problems.add("exports that give no image a class", ", ".join(map(str, own)))
        for name in pictures.keys() - classes.keys():
            del pictures[name]
        info = TargetInfo("label", table.names)
        inputs = {"image": Input(pictures)}
        target = TargetSource(
            info, classes, partial(read_class, table.names, classes), class_of=classes.__getitem__
        )
        samples = paired_names(inputs, {"label": target}, problems)
        nobodys = {folder[path] for path in shared} - {folder[path] for path in own}
        groups = _groups(samples, nobodys, problems) if group_by_folder else None
        problems.raise_any()
        parts = _parts(samples, found.tested, val, test, seed, groups)
        super().__init__(
            FileSamples(samples, inputs, {"label": target}, size, groups, fit, max_pixels),
            parts,
            problems.what,
            check,
        )
        self._left_out, self._consensus = left_out, found.consensus
        self.fixed_test = bool(found.tested)

    def check(self) -> None:
        """As every data set of files; reports on stderr the images of each class, and what is left out."""
        super().check()
        names = self.targets["label"].names
        for part, indices in self._splits.items():
            counts = Counter(map(self._samples.label_class, indices))
            words = ", ".join(f"{name:.40} {counts[name]}" for name in names)  # names may be of any length
            print(f"{self._what}: {part} {len(indices)} ({words})", file=sys.stderr)
        if self._consensus:
            print(
                f"{self._what}: {len(self._splits['test'])} of {self._consensus} consensus images are the test set",
                file=sys.stderr,
            )
            self._report_known_groups()
        report_left_out(self._what, self._left_out.names)

    def _report_known_groups(self) -> None:
        """Who is known from training is easier to recognise."""
        groups = {
            part: [self._samples.group(index) for index in self._splits[part]] for part in ("train", "test")
        }
        known = sum(group is not None and group in groups["train"] for group in groups["test"])
        if known:
            print(
                f"{self._what}: {known} test images are of folders that are also trained on", file=sys.stderr
            )


def _groups(names: Sequence[str], nobodys: Collection[str], problems: Problems) -> list[str]:
    """The folder just below the root that each image is in; each image on its own in the folders of nobody."""

    def folder_of(name: str) -> str | None:
        folder, inside, _ = name.partition("/")
        return None if not inside else name if f"{folder}/" in nobodys else folder

    return groups_of(names, folder_of, "folder (group_by_folder)", problems)


def _parts(
    names: Sequence[str],
    tested: Collection[str],
    val: float,
    test: float,
    seed: int,
    groups: Sequence[str] | None,
) -> dict[Split, np.ndarray]:
    """The indices of each split; the images that are ``tested``, if there are any, are the test set."""
    if not tested:
        return split_indices(len(names), val, test, seed, groups)
    return split_free(len(names), [i for i, name in enumerate(names) if name in tested], val, seed, groups)
