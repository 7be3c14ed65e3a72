"""Writes docs/losses.md from the docstrings of the losses: ``python tools/losses_table.py``."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

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

All keep one convention. The loss is the mean over what is valid; a pixel that is not valid adds neither value nor
gradient, and where nothing is valid the loss is 0. Half precision is computed in float32. In the formulas, `p` is the
decoded prediction (the probability of a mask, the metres of a depth), `t` the target, and mean, sum and max run over
the valid pixels of the whole batch, unless they say "image by image": then each image's loss is computed on its own,
and the images are averaged.
"""


def render() -> str:
    """The page: a table to choose from, then each loss with its formula, source and options."""
    head = ["| Loss | What it is | Range | Tasks |", "|---|---|---|---|"]
    rows = [_row(name, loss) for name, loss in LOSSES.items()]
    sections = [_section(name, loss) for name, loss in LOSSES.items()]
    return "\n".join([_INTRODUCTION, *head, *rows, "", "\n\n".join(sections), ""])


def fields(loss: type[Loss]) -> dict[str, str]:
    """A docstring's parts: its ``summary``, ``notes``, and what stands after ``Formula:``, ``Range:``, ...

    Raises:
        ValueError: if one of the four named parts is missing.
    """
    text = inspect.getdoc(loss) or ""
    named = dict(re.findall(r"^(Formula|Range|Task|Source): (.*(?:\n +.*)*)", text, flags=re.MULTILINE))
    if missing := {"Formula", "Range", "Task", "Source"} - named.keys():
        raise ValueError(f"the docstring of {loss.__name__} lacks {', '.join(sorted(missing))}")
    prose = re.split(r"^Formula: ", text, flags=re.MULTILINE)[0].strip()
    summary, _, notes = prose.partition("\n\n")
    return {key: _one_line(part) for key, part in {"summary": summary, "notes": notes, **named}.items()}


def _row(name: str, loss: type[Loss]) -> str:
    part = fields(loss)
    return f"| [`{name}`](#{name}) | {part['summary']} | {part['Range']} | {part['Task']} |"


def _section(name: str, loss: type[Loss]) -> str:
    part, notes = fields(loss), argument_notes(loss)
    if missing := [option for option in inspect.signature(loss).parameters if option not in notes]:
        raise ValueError(
            f"the docstring of {loss.__name__} lacks a line under Args: for {', '.join(missing)}"
        )
    options = [
        f"- `{option}` (default {_yaml(parameter.default)}): {_one_line(notes[option])}"
        for option, parameter in inspect.signature(loss).parameters.items()
    ]
    kind = "Works on logits." if loss.on_logits else ""
    body = [
        f"## {name}",
        " ".join(filter(None, [part["summary"], part["notes"], kind])),
        f"`{part['Formula']}`",
        "\n".join(options),
        f"Source: {part['Source']}.",
    ]
    return "\n\n".join(filter(None, body))


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
