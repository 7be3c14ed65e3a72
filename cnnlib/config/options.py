"""The options of a component: its constructor's typed signature, read."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, with_config
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict

from cnnlib.config.errors import Details, unknown_option
from cnnlib.lookup import Factory
from cnnlib.types import CnnlibError

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Options:
    """What a configuration may say to a constructor.

    Attributes:
        names: in the signature's order.
        defaults: as plain values, of those that have one.
        adapter: checks all options together.
    """

    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    adapter: TypeAdapter[Any]

    def read(self, given: Mapping[str, Any], own: Iterable[str] = ()) -> dict[str, Any]:
        """``given`` completed by the defaults, in the signature's types.

        Strict: the text ``"3"`` is no number, and 3.0 no integer; but 3 may stand for 3.0. JSON is the way in, because
        there a list may become a tuple and text a path without any laxity elsewhere.

        Args:
            own: keys that stand beside the options in a configuration, offered where one is misspelt.

        Raises:
            ValidationError: with everything that is wrong.
        """
        details = Details()
        for key in given:
            if key not in self.names:
                details.add(unknown_option(key, [*self.names, *own]), key)
        text = json.dumps({**self.defaults, **given})
        checked = details.collect(self.adapter.validate_json, text, strict=True)
        details.raise_any()
        return checked


@cache
def options_of(factory: Factory, injected: tuple[str, ...] = (), own: tuple[str, ...] = ()) -> Options:
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
    open_ended = any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())
    if lacking := [name for name in injected if name not in signature.parameters and not open_ended]:
        raise CnnlibError(
            f"{factory!r} must take the argument{'s' * (len(lacking) > 1)} {', '.join(lacking)}"
        )
    types: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if name in injected or parameter.kind in _VARIADIC:
            continue
        if name in ("name", *own):
            raise CnnlibError(f"{factory!r} has an argument {name!r}, a key that a configuration uses itself")
        if parameter.default is not parameter.empty:
            try:
                defaults[name] = to_jsonable_python(parameter.default)
            except ValueError:
                continue
        types[name] = hints.get(name, Any)
    config = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
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
