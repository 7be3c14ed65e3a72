"""The options of a component: its constructor's typed signature, read."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from cnnlib.config.errors import Fault
from cnnlib.config.validation import plain, validated
from cnnlib.lookup import Factory
from cnnlib.types import CnnlibError

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Options:
    """What a constructor may be told.

    Attributes:
        names: in the signature's order.
        defaults: as plain values, of those that have one.
        adapter: checks all options together.
    """

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    adapter: TypeAdapter[Any]

    def check(self, given: Mapping[str, Any], path: str, own: Iterable[str] = ()) -> tuple[Any, list[Fault]]:
        """``given`` completed by the defaults, in the signature's types; or the faults.

        Args:
            own: keys that stand beside the options in a configuration, offered where one is misspelt.
        """
        return validated(self.adapter, {**self.defaults, **given}, path, [*self.names, *own])

    def json_schema(self) -> dict[str, dict[str, Any]]:
        """A JSON schema for each option."""
        properties = self.adapter.json_schema()["properties"]
        for name, schema in properties.items():
            schema.pop("title", None)
            if name in self.defaults:
                schema["default"] = self.defaults[name]
        return properties


@cache
def options_of(
    factory: Factory, injected: frozenset[str] = frozenset(), own: tuple[str, ...] = ()
) -> Options:
    """The options of ``factory``: its arguments without those ``injected`` by the program.

    An argument whose default has no plain notation (a function, a tensor) is not an option.

    Args:
        own: keys that a configuration uses itself, beside ``name``.

    Raises:
        CnnlibError: if the annotations cannot be resolved, or an argument is called like an ``own`` key.
    """
    try:
        hints = get_type_hints(factory.__init__ if inspect.isclass(factory) else factory, include_extras=True)
        signature = inspect.signature(factory)
    except (NameError, TypeError, ValueError) as error:
        raise CnnlibError(f"the signature of {factory!r} cannot be read: {error}") from error
    types: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if name in injected or parameter.kind in _VARIADIC:
            continue
        if name in ("name", *own):
            raise CnnlibError(f"{factory!r} has an argument {name!r}, a key that a configuration uses itself")
        if parameter.default is not parameter.empty:
            try:
                defaults[name] = plain(parameter.default)
            except TypeError:
                continue
        types[name] = hints.get(name, Any)
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
    adapter = TypeAdapter(with_config(config)(TypedDict("Options", types)))
    return Options(tuple(types), defaults, adapter)


def argument_notes(factory: Factory) -> dict[str, str]:
    """What the docstring's ``Args:`` says of each argument."""
    block = re.search(r"^Args:\n((?: +.*\n?|\n)+)", inspect.getdoc(factory) or "", re.MULTILINE)
    notes = {}
    for entry in re.split(r"\n(?= {4}\S)", block[1]) if block else []:
        names, _, text = entry.strip().partition(":")
        notes |= {name.strip(" *`"): " ".join(text.split()) for name in names.split(",")}
    return notes
