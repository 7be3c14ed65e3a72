"""What augmentations do to a sample and all its targets, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from cnnlib.augmentations.base import Geometric, Photometric
from cnnlib.augmentations.pipeline import Pipeline
from cnnlib.tasks import Task
from cnnlib.tasks.page import PALE, Page
from cnnlib.tasks.sample_pictures import sample_pictures
from cnnlib.types import Sample

_MOST_TRIES = 1000
_TITLE, _HEADING, _TEXT = 24, 20, 15  # font sizes
_GAP = 8


@dataclass(frozen=True)
class Shown:
    """Augmentations that are shown together."""

    name: str
    text: str
    """Their options, for people."""
    augmentations: Sequence[Geometric | Photometric]
    must_act: bool = True
    """Draws that leave the image as it is are passed over."""


def before_and_after(
    title: str,
    sample: Sample,
    inputs: Mapping[str, int],
    tasks: Mapping[str, Task],
    shown: Sequence[Shown],
    draws: int,
) -> Image.Image:
    """For each of ``shown``: the image and every target that the sample has, before and after ``draws`` draws.

    What looks the same after all draws as before, such as a map when the colours change, is named and not shown.
    Parameters are drawn from torch's global generator.

    Args:
        sample: as it comes from the data set.
        inputs: the pictures that its image is made of and their channels; the last is shown.
    """
    before = Pipeline([], tasks)(sample)
    known = {name: task for name, task in tasks.items() if before[name].valid.any()}
    start = sample_pictures(before, inputs, known)
    page = Page(max(len(start), 1 + draws), start["image"].width)
    page.text(title, _TITLE)
    for each in shown:
        samples, note = _drawn(each, sample, before, tasks, draws)
        page.gap(3 * _GAP)
        page.text(each.name, _HEADING)
        page.text(each.text, _TEXT, PALE)
        page.text(note, _TEXT, PALE)
        _add_rows(page, start, [sample_pictures(moved, inputs, known) for moved in samples])
    page.gap(2 * _GAP)
    for name, task in known.items():
        page.text(f"{name}: {task.legend}", _TEXT, PALE)
    return page.picture()


def _drawn(
    shown: Shown, sample: Sample, before: Sample, tasks: Mapping[str, Task], draws: int
) -> tuple[list[Sample], str]:
    """Samples after draws, and what is to be said of these."""
    pipeline = Pipeline(shown.augmentations, tasks)
    samples: list[Sample] = []
    for tries in range(1, _MOST_TRIES + 1):
        moved = pipeline(sample)
        if not shown.must_act or not torch.equal(moved["image"], before["image"]):
            samples.append(moved)
        if len(samples) == draws:
            return samples, f"it acted in {draws} of {tries} draws; these are shown" if tries > draws else ""
    return samples, f"it acted in {len(samples)} of {tries} draws"


def _add_rows(
    page: Page, start: Mapping[str, Image.Image], after: Sequence[Mapping[str, Image.Image]]
) -> None:
    """What there is more of, draws or tasks, runs across the page."""
    changed = [name for name in start if any(_differ(start[name], moved[name]) for moved in after)]
    if after and len(changed) < len(start):
        page.text(f"{', '.join(name for name in start if name not in changed)}: as before", _TEXT, PALE)
    page.gap(_GAP)
    columns = [("before", start), *((f"draw {number}", moved) for number, moved in enumerate(after, 1))]
    if len(start) > len(columns):
        rows = [[(f"{draw}: {name}", drawn[name]) for name in changed] for draw, drawn in columns]
    else:
        rows = [[(f"{name}: {draw}", drawn[name]) for draw, drawn in columns] for name in changed]
    for row in filter(None, rows):
        page.row(row)


def _differ(one: Image.Image, other: Image.Image) -> bool:
    return one.tobytes() != other.tobytes()
