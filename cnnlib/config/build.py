"""From a name and options to an object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from cnnlib.lookup import find

if TYPE_CHECKING:
    from cnnlib.config.schema import Component

T = TypeVar("T")


def build(component: Component, table: Mapping[str, Callable[..., T]], **injected: Any) -> T:
    """What ``component`` names, in ``table`` or by dotted path, built with its options and ``injected``.

    Raises:
        CnnlibError: if there is no such name, or the constructor refuses an option.
    """
    return find(component.name, table)(**component.options, **injected)
