"""YAML without its traps: version 1.2's plain values, nothing taken silently, and no text that grows without bounds.

PyYAML follows YAML 1.1, where ``1e-3`` is text, ``no`` is false, ``1:30`` is ninety, and the last of
two equal keys wins. Here ``1e-3`` is a number, only ``true`` and ``false`` are truth values, and a key
that stands twice, or that is not text, is an error. So are tags, text with NUL or surrogate characters,
and more values, or deeper ones, than anybody writes: a few lines of aliases can stand for billions.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import yaml

_PLAIN_VALUES = (
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))"
        r"|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
)
_TEXT_KEYS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}
_MOST_VALUES = 100_000
_DEEPEST = 50
_LARGEST_FILE = 4 * 2**20  # bytes


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name; filled below

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        event = self.peek_event()
        if getattr(event, "tag", None) is not None:  # ``!!int 1:30`` would be ninety after all
            raise _at(event, f"a tag, {event.tag!r}: tags are not read; write a plain value")
        if self._depth == _DEEPEST:
            raise _at(event, f"nested too deeply to be read: more than {_DEEPEST} levels")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not isinstance(event, yaml.AliasEvent):
            self._values[node] = self._count(node)
        elif node not in self._values:
            raise _at(event, "an alias leads back to what it stands in")
        return node

    def _count(self, node: yaml.Node) -> int:
        """Of the values that it stands for; those of an alias count wherever it stands."""
        if isinstance(node, yaml.ScalarNode):
            return 1
        values = node.value if isinstance(node, yaml.SequenceNode) else [value for _, value in node.value]
        count = 1 + sum(self._values[value] for value in values)
        if count > _MOST_VALUES:
            raise _at(
                node, f"stands for {count:,} values, aliases followed; at most {_MOST_VALUES:,} are read"
            )
        return count

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if "\0" in node.value or re.search("[\ud800-\udfff]", node.value):
            raise _at(node, f"text cannot hold NUL, nor halves of characters; this is {node.value!r}")
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # an integer of thousands of digits
            raise _at(node, f"{node.value[:20]!r} is no {node.tag.rpartition(':')[2]}: {error}") from None

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _TEXT_KEYS:
                raise _at(key, "a key must be text: write it in quotes")
            if key.value in seen:
                raise _at(key, f"the key {key.value!r} stands twice in one mapping")
            seen.add(key.value)
        return node


class _TextLoader(_Loader):
    """Of what ``dump_yaml`` wrote, every value as text: of any length, but without aliases, which are never written."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        if self.check_event(yaml.AliasEvent):
            raise _at(
                self.peek_event(), "an alias, which cnnlib does not write; put there what it stands for"
            )
        return super().compose_node(parent, index)

    def _count(self, node: yaml.Node) -> int:
        return 1


class _Dumper(yaml.SafeDumper):
    """Quotes whatever text ``_Loader`` would take for something else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in _PLAIN_VALUES:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def parse_yaml(text: str) -> Any:
    """The one document in ``text``, as plain values.

    Raises:
        ValueError: with the line and column of what cannot be read.
    """
    return _load(text, _Loader)


def parse_texts(text: str) -> Any:
    """The one document in what ``dump_yaml`` wrote, every value as the text that stands there.

    Raises:
        ValueError: with the line and column of what cannot be read.
    """
    return _load(text, _TextLoader)


def _load(text: str, loader: type[_Loader]) -> Any:
    try:
        return yaml.load(text, loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{place}{error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def read_yaml(path: Path) -> Any:
    """The one document in a file.

    Raises:
        ValueError: with the line and column of what cannot be read; or the file is no file, none of text, or larger
            than any configuration.
        OSError: it cannot be opened.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):  # it might never end
        raise ValueError("must be a regular file; it is a device, a pipe or a socket")
    if state.st_size > _LARGEST_FILE:
        raise ValueError(f"has {state.st_size:,} bytes; a configuration has at most {_LARGEST_FILE:,}")
    try:
        return parse_yaml(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text: byte {error.start} cannot be read") from None


def dump_yaml(value: Any) -> str:
    """``value`` as text that ``parse_yaml`` reads back as it was; innermost collections stand on one line."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )


def _at(node: yaml.Node | yaml.Event, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
