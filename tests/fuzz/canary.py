"""Outside code that must never be called: it is nothing that a config may name."""

from __future__ import annotations

from typing import Any


class Sang(BaseException):
    """Past every ``except Exception``."""


class Canary:
    kind, default_loss, values = "mask", "bce", frozenset({"logits"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise Sang("a class was called before it was seen to be of its kind")


def sing(*args: Any, **kwargs: Any) -> None:
    raise Sang("a function was called")
