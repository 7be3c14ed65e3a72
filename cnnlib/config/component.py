"""A component of a configuration: a name that a registry knows, and options that its constructor takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationInfo, model_serializer
from pydantic_core import CoreSchema, core_schema

from cnnlib.config.errors import Details, show
from cnnlib.config.options import options_of
from cnnlib.config.tables import ALL, NOT_YET_KNOWN, REGISTRIES, Tables
from cnnlib.lookup import find
from cnnlib.types import CnnlibError, TargetInfo

T = TypeVar("T")


class Section(BaseModel):
    """A part of a configuration whose keys are fixed."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Component(Section):
    """A class or function by name, and the options it is built with."""

    name: str
    """A name in the component's registry, or the dotted path of outside code."""
    options: dict[str, Any] = {}
    """Every option, those left to their default included, in the types of the constructor's signature."""

    @model_serializer(mode="wrap")
    def _flat(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """As it is written in YAML: the options beside the name."""
        dumped = handler(self)
        return {"name": dumped.pop("name"), **dumped.pop("options"), **dumped}


def build(component: Component, table: Mapping[str, Callable[..., T]], **injected: Any) -> T:
    """What ``component``, of a configuration that was checked, names in ``table`` or by dotted path, built with its
    options and ``injected``.

    Raises:
        CnnlibError: if there is no such name, or the constructor refuses an option.
    """
    return find(component.name, table, "component", (object,))(**component.options, **injected)


@dataclass(frozen=True)
class Context:
    """What configurations are checked against that speak of the same targets."""

    tables: Tables
    targets: Mapping[str, TargetInfo] | None
    """Those that the data set's class has; None where they are known only once its files are read."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """The kinds of targets that the data set's options state."""
    imported: Collection[str] = ALL
    """The registries of which outside code is imported; where it is not, a dotted name and its options stay unread."""
    _known: dict[str, tuple[Any, ValueError | None]] = field(default_factory=dict, repr=False)

    def leaves_unread(self, registry: str, name: str) -> bool:
        return registry not in self.imported and name not in self.tables[registry] and "." in name

    def once(self, what: str, given: Any, check: Callable[..., T], *args: Any) -> T:
        """``check(*args)``, computed once for equal ``given``, plain values: many experiments share most of theirs.

        Raises:
            ValueError: what ``check`` raised.
        """
        key = what + json.dumps(given)
        if key not in self._known:
            try:
                self._known[key] = check(*args), None
            except ValueError as error:
                self._known[key] = None, error
        found, error = self._known[key]
        if error is not None:
            raise error.with_traceback(None)
        return found

    def infos(self, key: str, kind: str) -> list[TargetInfo]:
        """The target of that name; where the class does not know it, each sort that the data may have."""
        if self.targets and key in self.targets:
            return [self.targets[key]]
        return [TargetInfo(kind, names=NOT_YET_KNOWN, multi_label=several) for several in (False, True)]


@dataclass(frozen=True)
class Registered:
    """Pydantic's metadata of a ``Component``: which registry knows it.

    A bare name stands for a component without options. What is cheap to build is built, for the problems that only its
    constructor sees.
    """

    registry: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        own = tuple(name for name in source.model_fields if name not in ("name", "options"))

        def read(value: Any, handler: Callable[[Any], Any], info: ValidationInfo) -> Any:
            what = f"{self.registry} {own} "
            return info.context.once(what, value, self._read, value, handler, info.context, own)

        return core_schema.with_info_wrap_validator_function(read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"registry": self.registry}  # a reference that pydantic need not follow

    def _read(self, value: Any, handler: Callable[[Any], Any], context: Context, own: tuple[str, ...]) -> Any:
        """``own``: keys beside the options, which ``handler`` checks."""
        registry, table, details = REGISTRIES[self.registry], context.tables[self.registry], Details()
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
            what = f"the name of a {registry.what} ({', '.join(table)})"
            raise ValueError(f"must be {what}, or a mapping with one under name; it is {show(value)}")
        beside = {key: given[key] for key in ("name", *own) if key in given}
        rest = {key: each for key, each in given.items() if key not in beside}
        if context.leaves_unread(self.registry, given["name"]):
            return handler({**beside, "options": rest})
        options = None
        try:
            factory = registry.find(given["name"], table)
            options = details.collect(options_of(factory, registry.injected, own).read, rest, own)
            if options is not None and registry.stand_ins is not None:
                factory(**options, **registry.stand_ins())
        except (CnnlibError, ValueError, TypeError) as error:
            details.add(str(error))
        except Exception as error:  # of a constructor: too large a number, or whatever outside code raises
            details.add(f"cannot be built: {type(error).__name__}: {error}")
        component = details.collect(handler, {**beside, "options": options or {}})
        details.raise_any()
        return component
