"""Writes docs/config.md, every key of a suite's YAML, from configs/schema.json: ``python tools/config_page.py``."""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "configs" / "schema.json"
PAGE = ROOT / "docs" / "config.md"

_INTRODUCTION = """\
# Configuration

<!-- Written by tools/config_page.py from signatures and docstrings. Change those, then run `make schema`. -->

A file describes a suite: what all its experiments share, and what differs between them.

```yaml
experiments:                            # key paths and values, laid over the shared part
  bce: {}
  both: {tasks.mask.loss: [bce, dice], training.epochs: 20}
grid:                                   # every combination; they are called learning_rate=0.1, learning_rate=0.5
  optimizer.learning_rate: [0.1, 0.5]
```

With both, every experiment is run at every point of the grid. On the command line `--set key.path=value` (the value in
YAML) does the same to the file. A component is a name, or a mapping with a `name` and options; a name with dots is a
class of your own, looked for where Python looks and in the working directory. A mapping that has a `name` replaces a
component, one without changes its options. `null` takes a task away.

A task is of the kind that its target has: the data set says it, or the target's name does, or else the task's `name`.
Every task takes `weight` and `loss`, which is one loss or a list of them; each of these takes `weight`, and `on`, the
values of the task that it compares where it could compare several.
"""


_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}


def render() -> str:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    keys: dict[str, Any] = {}
    sections: list[str] = []
    for key, entry in schema["properties"].items():
        if not (found := re.search(r"#/\$defs/(\w+)", json.dumps(entry))):
            keys[key] = entry
            continue
        components = [each for name, each in schema["$defs"].items() if name.startswith(f"{found[1]}.")]
        section = schema["$defs"][found[1]]
        sections += [f"## {key}", _one_line(entry.get("description") or section["description"])]
        sections += [part for each in components for part in _component(each)] or [
            _listed(section["properties"])
        ]
    parts = [_INTRODUCTION, "## The suite", _listed(keys), *sections]
    parts.append("## Losses\n\nThey have [a page of their own](losses.md).")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _component(schema: dict[str, Any]) -> list[str]:
    options = {name: entry for name, entry in schema["properties"].items() if name != "name"}
    head = f"### {schema['properties']['name']['const']}"
    return [head, _one_line(schema["description"]), *([_listed(options)] if options else [])]


def _listed(options: dict[str, dict[str, Any]]) -> str:
    """A line each; options that stand together under one note, on one line."""
    lines = []
    for note, together in groupby(
        options, lambda name: _one_line(options[name].get("description", "")) or name
    ):
        names = ", ".join(_named(name, options[name]) for name in together)
        lines.append(f"- {names}: {note}" if note not in options else f"- {names}")
    return "\n".join(lines)


def _named(name: str, schema: dict[str, Any]) -> str:
    types = schema.get("anyOf", [schema])
    choices = [_yaml(each) for one in types for each in one.get("enum", [])]
    notes = [" or ".join(choices)] if choices else []
    notes += [text for one in types if (text := _range(one))]
    notes += [f"default {_yaml(schema['default'])}"] if "default" in schema else []
    return f"`{name}` ({'; '.join(notes)})" if notes else f"`{name}`"


def _range(schema: dict[str, Any]) -> str:
    """``"0 to 1"``, ``"above 0"``; of a list or a mapping, what its values must be."""
    inner = schema.get("items") or schema.get("additionalProperties")
    found = {
        key: value
        for one in (schema, inner if isinstance(inner, dict) else {})
        for key, value in one.items()
        if key in _BOUNDS
    }
    if found.keys() == {"minimum", "maximum"}:
        return f"{found['minimum']} to {found['maximum']}"
    return " and ".join(f"{words} {found[key]}" for key, words in _BOUNDS.items() if key in found)


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def main() -> None:
    PAGE.write_text(render(), encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
