"""Plain values (what JSON can say) against types, with faults that people can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cnnlib.checks import did_you_mean
from cnnlib.config.errors import MISSING, Fault, show

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "text",
    "none_required": "null",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}


def plain(value: Any) -> Any:
    """A copy of ``value`` in which tuples are lists, paths are text and keys are text.

    Raises:
        ValueError: if it contains itself.
        TypeError: if it holds what YAML has no plain notation for.
    """
    return json.loads(json.dumps(value, default=_path_text))


def validated(
    adapter: TypeAdapter[Any], value: Any, path: str, allowed: Iterable[str] = ()
) -> tuple[Any, list[Fault]]:
    """``value`` as the adapter's type, or the faults that forbid it.

    Strict: the text ``"3"`` is no number, and 3.0 no whole one; but 3 may stand for 3.0. JSON is the way
    in, because there a list may become a tuple and text a path without any laxity elsewhere.

    Args:
        path: of ``value``, the prefix of each fault's path.
        allowed: the keys to offer where ``value`` has one too many.
    """
    try:
        return adapter.validate_json(json.dumps(value), strict=True), []
    except ValidationError as error:
        return None, _faults(error, value, path, list(allowed))


def _faults(error: ValidationError, value: Any, path: str, allowed: list[str]) -> list[Fault]:
    """One fault a place: a union complains once for each of its types, and they are joined by "or"."""
    expected: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    faults = []
    for detail in error.errors(include_url=False):
        keys = _keys_in(value, detail["loc"])
        place = ".".join([path, *keys] if path else keys)
        if detail["type"] == "extra_forbidden":
            faults.append(Fault(place, _unknown_key(keys[-1], allowed)))
        elif detail["type"] == "missing":
            faults.append(Fault(f"{place}.{detail['loc'][-1]}".lstrip("."), MISSING))
        elif detail["type"] == "value_error":
            faults.append(Fault(place, str(detail["ctx"]["error"])))
        elif detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            pass  # pydantic does not count the faulty entries, and they are told themselves
        else:
            texts = expected.setdefault(place, [])
            texts += [text] if (text := _expectation(detail)) not in texts else []
            found[place] = detail["input"]
    return faults + [
        Fault(
            place, f"must be {' or '.join(texts)}; it is {show(found[place])}{_nearest(texts, found[place])}"
        )
        for place, texts in expected.items()
    ]


def _keys_in(value: Any, location: Iterable[int | str]) -> list[str]:
    """Pydantic's location without the names of union members, which stand for no key of ``value``."""
    keys = []
    for key in location:
        inside = isinstance(value, Mapping) and key in value
        if inside or (isinstance(value, list) and isinstance(key, int) and key < len(value)):
            value = value[key]
            keys.append(str(key))
    return keys


def _expectation(detail: Any) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "literal_error":
        return context["expected"]
    if kind == "too_short":
        return f"a list of at least {context['min_length']}"
    if kind == "too_long":
        return f"a list of at most {context['max_length']}"
    return detail["msg"].removeprefix("Input should be ")


def _nearest(texts: Iterable[str], value: Any) -> str:
    words = [word for text in texts for word in re.findall(r"'([^']*)'", text)]
    return did_you_mean(value, words) if isinstance(value, str) else ""


def _unknown_key(key: str, allowed: list[str]) -> str:
    takes = f"allowed: {', '.join(allowed)}" if allowed else "none is allowed here"
    return f"there is no such option{did_you_mean(key, allowed)}; {takes}"


def _path_text(value: Any) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no plain notation")
