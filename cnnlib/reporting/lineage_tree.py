"""The family tree in the terminal."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from cnnlib.checks import did_you_mean
from cnnlib.reporting.comparison import Verdict
from cnnlib.reporting.console import spread
from cnnlib.reporting.lineage import Key, Lineage, Step
from cnnlib.reporting.words import step_words
from cnnlib.types import CnnlibError

_PIPED = 200  # a file has no width, and wraps its lines where it is read
_INDENT = 4  # of a level of rich's trees
_LABEL = 44  # columns that a label needs to be read
_LEGEND = "mean ± standard deviation over seeds; differences with 95 % intervals; verdicts corrected for their number"
_STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "red"}


def print_lineage(lineage: Lineage, metric: str | None = None, console: Console | None = None) -> None:
    """A tree for each suite: every experiment below the one that it started from, with its scores and its changes.

    Args:
        metric: the only one to show; ``None`` shows those that runs are ranked by.

    Raises:
        CnnlibError: no run has the metric.
    """
    console = console or Console(width=None if sys.stdout.isatty() else _PIPED)
    _check_metric(lineage, metric)
    for folder in dict.fromkeys(folder for folder, _ in lineage.roots):
        heading = lineage.suites[folder].name if folder in lineage.own else f"{folder} (ancestors)"
        roots = [root for root in lineage.roots if root[0] == folder]
        for tree in _trees(heading, roots, lineage, metric, max((console.width - _LABEL) // _INDENT, 1)):
            console.print(tree)
    console.print(Text(_LEGEND))
    for folder in lineage.own:
        for run in lineage.suites[folder].unfinished:
            state = "has not finished" if run.error is None else "failed"
            console.print(
                Text(f"not shown: {lineage.suites[folder].name}/{run.experiment}, seed {run.seed}, {state}")
            )


def _check_metric(lineage: Lineage, metric: str | None) -> None:
    known = sorted({known for key, known in lineage.summaries if key in lineage.steps})
    if metric is not None and metric not in known:
        raise CnnlibError(
            f"no run has the metric {metric!r}{did_you_mean(metric, known)}; known: {', '.join(known)}"
        )


def _trees(
    heading: str, roots: Sequence[Key], lineage: Lineage, metric: str | None, deepest: int
) -> Iterator[Tree]:
    """The experiments of ``roots`` and their descendants; what lies deeper than ``deepest`` goes on in another tree."""
    trees = [(Tree(Text(heading, style="bold")), list(roots))]
    for tree, keys in trees:
        waiting = [(tree, key, 1) for key in reversed(keys)]
        while waiting:
            above, key, depth = waiting.pop()
            branch = above.add(_label(key, roots[0][0], lineage, metric))
            children = lineage.children(key)
            if children and depth == deepest:
                title = f"{lineage.title(key, roots[0][0])}, continued"
                branch.add(Text(f"see below: {title}"))
                trees.append((Tree(Text(title, style="bold")), children))
            else:
                waiting += [(branch, child, depth + 1) for child in reversed(children)]
        yield tree


def _label(key: Key, seen_from: Path, lineage: Lineage, metric: str | None) -> Group:
    """Name and scores; then how it starts, what changed and what is wrong, a line each, wrapped with an indent."""
    folder, step = key[0], lineage.steps[key]
    name = Text(lineage.title(key, seen_from), style="bold")
    scores = list(_scores(key, lineage, metric))
    lines = [Text.assemble(name, "  ", *scores[:1])] if len(scores) == 1 else [name, *map(_indented, scores)]
    lines.append(_indented(Text(_start(step, folder, lineage))))
    lines += [_indented(Text(f"- {change}")) for change in step.changes]
    lines += [_indented(Text(f"! {note}", style="yellow")) for note in step.notes]
    return Group(*lines)


def _start(step: Step, folder: Path, lineage: Lineage) -> str:
    if step.reference is None:
        return step.start
    if step.inherits:
        return step.start + ("" if step.changes else "; the same configuration")
    since = lineage.title(step.reference, folder)
    return f"{step.start}; {'changed' if step.changes else 'nothing changed'} since {since}"


def _scores(key: Key, lineage: Lineage, metric: str | None) -> Iterator[Text]:
    """Each metric over the seeds, and against the reference."""
    folder, step = key[0], lineage.steps[key]
    for one in [metric] if metric else lineage.suites[folder].ranked_by:
        values = [run.test.get(one, math.nan) for run in lineage.runs(key)]
        text = Text(f"{one} {spread(values)}")
        if step.reference:
            comparison = lineage.comparisons.get((key, one))
            words = step_words(comparison, lineage.change(key, one), lineage.title(step.reference, folder))
            style = _STYLES.get(comparison.verdict, "") if comparison else ""
            text.append(f"  {words}" if words else "", style=style)
        yield text


def _indented(text: Text) -> Padding:
    return Padding(text, (0, 0, 0, 2), expand=False)
