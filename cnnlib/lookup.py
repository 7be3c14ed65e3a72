"""From a component's name to its class or function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

from cnnlib.checks import did_you_mean
from cnnlib.types import CnnlibError

Factory: TypeAlias = Callable[..., Any]


def find(
    name: str,
    table: Mapping[str, Factory],
    what: str = "component",
    needs: tuple[str, ...] = (),
    base: str = "",
) -> Factory:
    """The class or function called ``name``: a name in ``table``, or the dotted path of outside code.

    Outside code is looked for where Python looks, and in the working directory.

    Raises:
        CnnlibError: if there is none, it cannot be imported, or it lacks one of the attributes ``needs``, which
            ``base`` would bring.
    """
    if name in table:
        return table[name]
    if "." not in name:
        raise CnnlibError(f"{unknown(what, name, table)}, or the dotted path of a class of your own")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # code beside the user's own, as ``python -m`` finds it
    module, _, attribute = name.rpartition(".")
    try:
        factory = getattr(import_module(module), attribute)
    except Exception as error:  # outside code can fail in any way, and it is the user's
        raise CnnlibError(
            f"{name!r} cannot be imported: {type(error).__name__}: {error} (the working directory is {here})"
        ) from error
    if not callable(factory):
        raise CnnlibError(f"{name!r} must be a class or a function; it is a {type(factory).__name__}")
    if missing := [attribute for attribute in needs if not hasattr(factory, attribute)]:
        advice = f"; derive it from {base}" if base else ""
        raise CnnlibError(f"{name!r} cannot serve as a {what}: it has no {' and no '.join(missing)}{advice}")
    return factory


def unknown(what: str, word: str, allowed: Iterable[str]) -> str:
    """``"no loss is named 'dise' (did you mean 'dice'?); allowed: bce, dice"``."""
    names = list(allowed)
    return f"no {what} is named {word!r}{did_you_mean(word, names)}; allowed: {', '.join(names) or 'none'}"
