"""A part of a model from its name and options, as a configuration has them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from cnnlib.checks import check_arguments, did_you_mean
from cnnlib.types import CnnlibError

T = TypeVar("T")
Part: TypeAlias = str | Mapping[str, Any]
"""A name, or a mapping with a ``name`` and options."""


def name_and_options(part: Part, what: str) -> tuple[str, dict[str, Any]]:
    """
    Raises:
        CnnlibError: ``part`` has no name; ``what`` it is stands in the message.
    """
    options = {"name": part} if isinstance(part, str) else dict(part)
    name = options.pop("name", None)
    if not isinstance(name, str) or not name:
        raise CnnlibError(
            f"{what} must be a name, or a mapping with one under name, such as {{name: ...}}; it is {part!r}"
        )
    return name, options


def build_part(make: Callable[..., T], label: str, options: Mapping[str, Any], **injected: Any) -> T:
    """``make(**injected, **options)``; the options are checked against the signature of ``make``.

    Args:
        label: what is built, for messages: ``decoder 'unet'``.
        injected: arguments that the program gives, and ``options`` cannot.

    Raises:
        CnnlibError: ``options`` is no mapping, or one of them is unknown, or outside of its range.
    """
    if not isinstance(options, Mapping):
        raise CnnlibError(f"{label} must be a mapping of options; it is {options!r}")
    known = [each for each in inspect.signature(make).parameters if each not in injected]
    for option in options:
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise CnnlibError(f"{label} has no option {option!r}{did_you_mean(option, known)}; {takes}")
    try:
        check_arguments(make.__init__ if inspect.isclass(make) else make, options)
    except CnnlibError as error:
        raise CnnlibError(f"{label}: {error}") from None
    return make(**injected, **options)
