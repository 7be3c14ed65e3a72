"""Writes docs/losses.md from the docstrings of the losses: ``python tools/losses_table.py``."""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import inspect
import re
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from cnnlib.config.options import argument_notes
from cnnlib.losses import LOSSES, Loss

PAGE = Path(__file__).parent.parent / "docs" / "losses.md"

_INTRODUCTION = """\
# Losses

<!-- Written by tools/losses_table.py from the docstrings in cnnlib/losses. Change those, and run it again. -->

A loss stands in a task of the config, alone or as a weighted sum whose terms are logged one by one:

```yaml
tasks:
  mask: {loss: [{name: bce}, {name: dice, weight: 0.5}]}
  depth: {loss: {name: huber, delta: 0.5}}
```

What a loss compares is said in the words of the tasks: `logits` (raw outputs for yes or no), `classes` (raw outputs
for one of several), `probabilities`, `lengths` (positive, such as depths), `directions` (unit vectors), `coordinates`
(shares of the picture's longer side), `boxes` (likewise), `heatmaps` and `numbers`. A loss fits every task that has
one of its values, and compares the first of them that the task has, unless the config says `on: heatmaps`; those that
need a map look at neighbouring pixels. A loss that does not fit is refused before anything trains.

All keep one convention. The loss is the mean over what is valid; an element that is not valid adds neither value nor
gradient, and where nothing is valid the loss is 0. Half precision is computed in float32. In the formulas, `p` is the
prediction, `t` the target, and mean, sum and max run over the valid elements of the whole batch, unless they say "image
by image": then each image's loss is computed on its own, and the images are averaged.
"""
_LIMITS = {Gt: "above", Ge: "at least", Lt: "below", Le: "at most"}


def render() -> str:
    """The page: a table to choose from, then each loss with its formula, source and options."""
    head = ["| Loss | What it is | Range | Compares |", "|---|---|---|---|"]
    rows = [_row(name, loss) for name, loss in LOSSES.items()]
    sections = [_section(name, loss) for name, loss in LOSSES.items()]
    return "\n".join([_INTRODUCTION, *head, *rows, "", "\n\n".join(sections), ""])


def fields(loss: type[Loss]) -> dict[str, str]:
    """A docstring's parts: its ``summary``, ``notes``, and what stands after ``Formula:``, ``Range:``, ...

    Raises:
        ValueError: if one of the three named parts is missing.
    """
    text = inspect.getdoc(loss) or ""
    named = dict(re.findall(r"^(Formula|Range|Source): (.*(?:\n +.*)*)", text, flags=re.MULTILINE))
    if missing := {"Formula", "Range", "Source"} - named.keys():
        raise ValueError(f"the docstring of {loss.__name__} lacks {', '.join(sorted(missing))}")
    prose = re.split(r"^Formula: ", text, flags=re.MULTILINE)[0].strip()
    summary, _, notes = prose.partition("\n\n")
    return {key: _one_line(part) for key, part in {"summary": summary, "notes": notes, **named}.items()}


def _row(name: str, loss: type[Loss]) -> str:
    part = fields(loss)
    compares = ", ".join(sorted(loss.values)) + (" (maps only)" if loss.needs_map else "")
    return f"| [`{name}`](#{name}) | {part['summary']} | {part['Range']} | {compares} |"


def _section(name: str, loss: type[Loss]) -> str:
    part = fields(loss)
    body = [
        f"## {name}",
        " ".join(filter(None, [part["summary"], part["notes"]])),
        f"`{part['Formula']}`",
        "\n".join(_options(loss)),
        f"Source: {part['Source']}.",
    ]
    return "\n\n".join(filter(None, body))


def _options(loss: type[Loss]) -> list[str]:
    notes, hints = argument_notes(loss), get_type_hints(loss.__init__, include_extras=True)
    options = inspect.signature(loss).parameters.values()
    if missing := [option.name for option in options if option.name not in notes]:
        raise ValueError(
            f"the docstring of {loss.__name__} lacks a line under Args: for {', '.join(missing)}"
        )
    return [
        f"- `{option.name}` ({allowed(hints[option.name])}; default {_yaml(option.default)}): "
        f"{_one_line(notes[option.name])}"
        for option in options
    ]


def allowed(hint: Any) -> str:
    """A type with its limits in words: ``number above 0 or null``."""
    if hint in (int, float, type(None)):
        return {int: "integer", float: "number"}.get(hint, "null")
    if get_origin(hint) is Annotated:
        limits = " and ".join(
            f"{_LIMITS[type(limit)]} {_yaml(*astuple(limit))}" for limit in hint.__metadata__
        )
        return f"{allowed(get_args(hint)[0])} {limits}"
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    return " or ".join(allowed(part) for part in get_args(hint))


def _yaml(value: object) -> str:
    """A default as it would stand in a config."""
    return "null" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    try:
        PAGE.write_text(render(), encoding="utf-8")
    except ValueError as error:
        sys.exit(f"error: {error}")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
