"""A component in a configuration: a name that a registry knows, and options that its constructor takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from cnnlib.config.errors import Details, show
from cnnlib.config.options import options_of
from cnnlib.config.tables import REGISTRIES, Tables
from cnnlib.lookup import Factory, find
from cnnlib.types import CnnlibError, TargetInfo


@dataclass(frozen=True)
class Context:
    """What a configuration is checked against.

    Attributes:
        tables: where components are looked up.
        targets: those that the data set's class has; None where they are known only once its files are read.
    """

    tables: Tables
    targets: Mapping[str, TargetInfo] | None = None


@dataclass(frozen=True)
class OneOrMore:
    """Pydantic's metadata of a tuple: an entry that stands alone needs no brackets."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def listed(value: Any) -> Any:
            return value if isinstance(value, list) else [value]

        return core_schema.no_info_before_validator_function(listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        several = handler(schema)
        return {"if": {"type": "array"}, "then": several, "else": several["items"]}


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
            return self._read(value, handler, info.context.tables[self.registry], own)

        return core_schema.with_info_wrap_validator_function(read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {"registry": self.registry}  # a reference that pydantic need not follow

    def _read(
        self, value: Any, handler: Callable[[Any], Any], table: Mapping[str, Factory], own: tuple[str, ...]
    ) -> Any:
        """``own``: keys beside the options, which ``handler`` checks."""
        what, details = REGISTRIES[self.registry].what, Details()
        given = {"name": value} if isinstance(value, str) else value
        if not isinstance(given, Mapping):
            raise ValueError(f"must be a {what}'s name, or a mapping with a name; it is {show(value)}")
        name, options = given.get("name"), None
        if isinstance(name, str):
            rest = {key: each for key, each in given.items() if key not in ("name", *own)}
            options = self._read_options(name, rest, table, own, details)
        else:
            details.add(f"must have the name of a {what}: {', '.join(table)}; it is {show(value)}")
        beside = {key: given[key] for key in own if key in given}
        component = details.collect(handler, {"name": name or "", "options": options or {}, **beside})
        details.raise_any()
        return component

    def _read_options(
        self,
        name: str,
        given: Mapping[str, Any],
        table: Mapping[str, Factory],
        own: tuple[str, ...],
        details: Details,
    ) -> dict[str, Any] | None:
        registry = REGISTRIES[self.registry]
        try:
            factory = find(name, table, registry.what, registry.needs, registry.base)
        except CnnlibError as error:
            details.add(str(error), "name")
            return None
        try:
            options = details.collect(options_of(factory, registry.injected, own).read, given, own)
            if options is not None and registry.stand_ins is not None:
                factory(**options, **registry.stand_ins())
        except (CnnlibError, ValueError, TypeError) as error:
            details.add(str(error))
        return options
