"""From a component's name to its class or function."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any, TypeAlias, get_type_hints

from cnnlib.checks import did_you_mean
from cnnlib.types import CnnlibError

Factory: TypeAlias = Callable[..., Any]
_MOST_LISTED = 100
_REFUSED = "CNNLIB_NO_OUTSIDE_CODE"


def refuse_outside_code() -> None:
    """From now on ``find`` imports nothing, in this process and in those that it starts."""
    os.environ[_REFUSED] = "1"


def find(
    name: str, table: Mapping[str, Factory], what: str, bases: tuple[type, ...], needs: tuple[str, ...] = ()
) -> Factory:
    """The class or function called ``name``: a name in ``table``, or the dotted path of outside code.

    Outside code is looked for where Python looks, and in the working directory. Importing it runs its module; beyond
    that nothing of it is called before it has shown that it makes what is asked for.

    Args:
        what: the kind of component, for messages.
        bases: a class must derive from one of them, or have the methods of one that is a protocol; a function must be
            annotated to return such a class.
        needs: attributes that the program reads of a class, and its base does not bring.

    Raises:
        CnnlibError: if there is none, it cannot be imported, it is none of ``bases`` or lacks one of ``needs``, or
            ``refuse_outside_code`` was called.
    """
    if name in table:
        return table[name]
    if "." not in name:
        raise CnnlibError(f"{unknown(what, name, table)}, or the dotted path of a class of your own")
    if os.environ.get(_REFUSED):
        raise CnnlibError(
            f"{name!r} is outside code, which --no-outside-code refuses; {_a(what)} of the library "
            f"is one of {', '.join(table)}"
        )
    factory = _imported(name)
    made = _made_by(factory)
    if made is None or factory in bases or not any(_is_a(made, base) for base in bases):
        wanted = " or ".join(map(_path_of, bases))
        raise CnnlibError(
            f"{name!r} cannot serve as {_a(what)}: it must be a class that derives from {wanted}, or a function whose "
            f"annotation says that it returns one; it is {_described(factory)}"
        )
    if missing := [attribute for attribute in needs if not hasattr(made, attribute)]:
        raise CnnlibError(f"{name!r} cannot serve as {_a(what)}: it has no {' and no '.join(missing)}")
    return factory


def _a(what: str) -> str:
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _imported(name: str) -> Any:
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)  # code beside the user's own, as ``python -m`` finds it
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # outside code can fail in any way, and it is the user's
        raise CnnlibError(
            f"{name!r} cannot be imported: {type(error).__name__}: {error} (the working directory is {here})"
        ) from error


def _made_by(factory: Any) -> type | None:
    """The class whose objects ``factory`` makes, as far as can be seen without calling it."""
    if isinstance(factory, FunctionType):
        returned = SimpleNamespace(__annotations__={"return": factory.__annotations__.get("return")})
        try:
            factory = get_type_hints(returned, factory.__globals__)["return"]
        except Exception:  # an annotation that is text can fail in any way
            return None
    return factory if inspect.isclass(factory) else None


def _is_a(made: type, base: type) -> bool:
    if not getattr(base, "_is_protocol", False):
        return issubclass(made, base)
    methods = {
        key: each for key, each in vars(base).items() if isinstance(each, FunctionType) and key[0] != "_"
    }
    return all(_takes(getattr(made, key, None), wanted) for key, wanted in methods.items())


def _takes(method: Any, wanted: FunctionType) -> bool:
    """Whether it is a method with the arguments of ``wanted``, by their names."""
    if not isinstance(method, FunctionType):
        return False
    own = inspect.signature(method).parameters
    return set(inspect.signature(wanted).parameters) <= set(own)


def _described(factory: Any) -> str:
    if inspect.isclass(factory):
        return f"a class that derives from {', '.join(map(_path_of, factory.__bases__))}"
    returned = factory.__annotations__.get("return") if isinstance(factory, FunctionType) else None
    return f"a {type(factory).__name__}" + (f" that returns {returned}" if returned is not None else "")


def _path_of(each: type) -> str:
    return f"{each.__module__}.{each.__qualname__}"


def unknown(what: str, word: str, allowed: Iterable[str]) -> str:
    """``"no loss is named 'dise' (did you mean 'dice'?); allowed: bce, dice"``."""
    names = list(allowed)
    listed = ", ".join(names[:_MOST_LISTED]) or "none"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"no {what} is named {word!r}{did_you_mean(word, names)}; allowed: {listed}{more}"
