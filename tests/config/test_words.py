"""Whatever value an option has, what is said of it is in plain words: none of pydantic's, which name Python's types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from cnnlib.checks import check_arguments, expectation
from cnnlib.config import schema
from cnnlib.config.options import options_of
from cnnlib.config.tables import ALL, REGISTRIES, load_tables
from cnnlib.config.tasks import Contexts
from cnnlib.models.decoders import DECODERS
from cnnlib.models.encoders import ENCODERS
from cnnlib.models.exchange import EXCHANGES
from cnnlib.models.exchange.padnet import PADNet
from cnnlib.models.layers.adapters import LowRankAdapters
from cnnlib.types import CnnlibError

VALUES = (
    None, True, 0, -1, 3, 1.5, -0.5, float("inf"), float("nan"), 10**30, "", "x", "3", "\ud800", "a.b", [], ["a"],
    [-1], [1, 2], [1] * 200, [None], [[]], [{}], {}, {"a": 1}, {"a": []}, {"a": None}, {"": 1},
)  # fmt: skip
FOREIGN = re.compile(
    r"valid|instance|Sequence|Mapping|should|nable|JSON|ictionary|boolean|string|tuple|float|\bint\b|parse"
)
SECTIONS = [
    each
    for each in vars(schema).values()
    if inspect.isclass(each) and issubclass(each, BaseModel) and each.__module__ == schema.__name__
]
OWN = {"loss": ("weight", "on"), "task": ("loss", "weight")}
"""Keys of a configuration that stand beside a component's options."""
COMPONENTS = {"dataset", "model", "tasks", "weighting", "optimizer", "schedule", "predictions"}
"""Sections that are looked up by name, which is told in words of the library's own."""
PARTS = [
    *DECODERS.values(),
    *(exchange for exchange in EXCHANGES.values() if exchange is not PADNet),  # which has no options
    *(family.make for family in ENCODERS.values()),
    LowRankAdapters,
]


def said(read: Callable[[], Any]) -> Iterator[str]:
    """What was expected, of each thing that is wrong."""
    try:
        read()
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] not in ("missing", "extra_forbidden", "value_error"):
                yield expectation(detail)
    except CnnlibError as error:
        yield str(error).partition("; it is")[0].partition(" must be ")[2]


def all_said(read: Callable[[Any], Any]) -> list[str]:
    """What ``read`` says of all values; each text is looked at."""
    texts = [text for value in VALUES for text in said(partial(read, value))]
    for text in texts:
        assert text
        assert not FOREIGN.search(text), text
    return texts


@pytest.mark.parametrize("registry", REGISTRIES)
def test_options_of_every_component(registry: str) -> None:
    for name, factory in load_tables()[registry].items():
        options = options_of(factory, REGISTRIES[registry].injected, OWN.get(registry, ()))
        for option in options.names:
            assert all_said(lambda value, name=option, read=options.read: read({name: value})), (name, option)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_keys_of_every_section(section: type[BaseModel]) -> None:
    context = Contexts(load_tables(), ALL).of(None)
    for key in section.model_fields:
        texts = all_said(lambda value, key=key: section.model_validate({key: value}, context=context))
        assert texts or key in COMPONENTS, key


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_options_of_every_part_of_a_model(part: Callable[..., Any]) -> None:
    make = part.__init__ if inspect.isclass(part) else part
    options = inspect.signature(make).parameters.keys() - {"self"}
    assert [
        text
        for name in options
        for text in all_said(lambda value, name=name: check_arguments(make, {name: value}))
    ]
