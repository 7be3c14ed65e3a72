"""Guards that say what was expected, what came and what to do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ParamSpec, TypeVar, get_type_hints

from torch import Tensor

from cnnlib.types import CnnlibError

P = ParamSpec("P")
T = TypeVar("T")


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """``" (did you mean 'dice'?)"`` where an allowed word is near, else an empty string."""
    near = get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def check_same_shape(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
    """Raises ``ValueError`` unless ``pred`` and ``target`` have one shape to which ``valid`` (if given) broadcasts."""
    if pred.shape != target.shape:
        raise ValueError(
            f"prediction and target must have one shape; the prediction is {tuple(pred.shape)}, "
            f"the target {tuple(target.shape)}"
        )
    if valid is not None and not _broadcasts(valid, target):
        raise ValueError(
            f"the valid mask must have the target's shape {tuple(target.shape)}, or 1 along some axes; "
            f"it is {tuple(valid.shape)}"
        )


def _broadcasts(valid: Tensor, target: Tensor) -> bool:
    return valid.ndim == target.ndim and all(
        mine in (1, theirs) for mine, theirs in zip(valid.shape, target.shape, strict=True)
    )


def check_rank(tensor: Tensor, rank: int, what: str, axes: str) -> None:
    """Raises ``ValueError`` unless ``tensor`` has ``rank`` axes, named ``axes`` in the message."""
    if tensor.ndim != rank:
        raise ValueError(f"{what} must be {axes}; it has shape {tuple(tensor.shape)}")


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Holds a function, a constructor or a dataclass to the ranges in its signature, as in
    ``gamma: Annotated[float, Ge(0)] = 2.0``.

    A range is written once, there; configurations, the editor's schema and the documentation read it from the same
    place. Arguments whose annotation has neither a range nor a ``Literal`` are not looked at.

    Raises (the function that is returned):
        CnnlibError: naming the argument, what was expected and what came.
    """
    if inspect.isclass(function):
        function.__init__ = checked(function.__init__)
        return function
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        check_arguments(function, signature.bind(*args, **kwargs).arguments)
        return function(*args, **kwargs)

    return call


def check_arguments(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raises ``CnnlibError`` for an argument outside of its range in the signature, as a ``checked`` call would."""
    adapters = _adapters(function)
    for name, value in arguments.items():
        if name in adapters:
            try:
                adapters[name].validate_python(value, strict=True)
            except ValueError as error:  # pydantic's, not imported before there is something to check
                raise CnnlibError(_message(name, error.errors(include_url=False))) from None


def _message(name: str, details: Sequence[Mapping[str, Any]]) -> str:
    """``widths[1] must be at least 1; it is 0``."""
    index = "".join(f"[{part}]" for part in details[0]["loc"] if isinstance(part, int))
    wanted, came = " or ".join(dict.fromkeys(map(expectation, details))), details[0]["input"]
    near = did_you_mean(came, wanted.split("'")[1::2]) if isinstance(came, str) else ""
    return f"{name}{index} must be {wanted}; it is {came!r}{near}"


def expectation(detail: Mapping[str, Any]) -> str:
    """What one of pydantic's error details wanted: ``an integer``, ``above 0``."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _EXPECTED:
        collection = "a mapping" if context.get("field_type") == "Dictionary" else "a list"
        return _EXPECTED[kind].format(**context, collection=collection)
    if kind == "is_instance_of":
        return _OF_CLASS.get(context["class"], f"a {context['class']}")
    return detail["msg"].removeprefix("Input should be ")


_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of fewer digits",
    "float_type": "a number",
    "finite_number": "a finite number",
    "greater_than": "above {gt:.12g}",
    "greater_than_equal": "at least {ge:.12g}",
    "less_than": "below {lt:.12g}",
    "less_than_equal": "at most {le:.12g}",
    "multiple_of": "a multiple of {multiple_of:.12g}",
    "bool_type": "true or false",
    "string_type": "text",
    "string_unicode": "text of Unicode characters",
    "json_invalid": "text of Unicode characters",
    "string_too_short": "text, at least {min_length} long",
    "path_type": "text",
    "none_required": "null",
    "list_type": "a list",
    "sequence_str": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "literal_error": "{expected}",
    "too_short": "{collection} of at least {min_length}",
    "too_long": "{collection} of at most {max_length}",
}
_OF_CLASS = {"Sequence": "a list", "Mapping": "a mapping"}


@functools.cache
def _adapters(function: Callable[..., Any]) -> dict[str, Any]:
    """Of the arguments whose annotation holds a range or a choice."""
    from pydantic import ConfigDict, TypeAdapter  # importing a model must stay light

    config = ConfigDict(allow_inf_nan=False, arbitrary_types_allowed=True)
    hints = get_type_hints(function, include_extras=True)
    return {
        name: TypeAdapter(hint, config=config)
        for name, hint in hints.items()
        if "Annotated" in repr(hint) or "Literal" in repr(hint)
    }
