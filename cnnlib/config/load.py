"""A suite's YAML, read, expanded and checked; and a run's configuration, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from cnnlib.config.check import check_experiment, unknown_section
from cnnlib.config.errors import MISSING, ConfigError, Fault, show
from cnnlib.config.expand import PathError, Variant, override, shared_folders, variants
from cnnlib.config.schema import (
    SECTION_DEFAULTS,
    SECTIONS,
    SUITE_KEYS,
    ExperimentConfig,
    FolderName,
    Seeds,
    SuiteConfig,
)
from cnnlib.config.tables import Tables, load_tables
from cnnlib.config.validation import plain, validated
from cnnlib.config.yaml_text import parse_yaml
from cnnlib.lookup import unknown

_NAME: TypeAdapter[str] = TypeAdapter(FolderName)
_SEEDS: TypeAdapter[tuple[int, ...]] = TypeAdapter(Seeds)
_NAMES_LISTED = 3


def load_suite(path: Path, overrides: Sequence[str] = ()) -> SuiteConfig:
    """The suite that the YAML file at ``path`` describes; its name is the file's unless it gives one.

    Args:
        overrides: ``key.path=value`` each, the value in YAML, laid over the file in this order.

    Raises:
        ConfigError: with every fault of the file and the overrides.
    """
    try:
        mapping = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(str(path), [Fault("", "there is no such file")]) from None
    except UnicodeDecodeError as error:
        fault = Fault("", f"is not UTF-8 text: byte {error.start} cannot be read")
        raise ConfigError(str(path), [fault]) from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), [Fault("", str(error))]) from None
    if mapping is None:
        raise ConfigError(str(path), [Fault("", "the file is empty")])
    return parse_suite(mapping, overrides, str(path))


def parse_suite(
    mapping: Mapping[str, Any],
    overrides: Sequence[str] = (),
    source: str = "<suite>",
    tables: Tables | None = None,
) -> SuiteConfig:
    """The suite that ``mapping`` describes, every experiment of it resolved and checked.

    Args:
        overrides: as for ``load_suite``.
        source: what ``mapping`` is called in errors; the stem of it is the default of the suite's name.
        tables: where components are looked up, the library's own by default.

    Raises:
        ConfigError: with every fault of ``mapping`` and the overrides.
    """
    try:
        suite = plain(mapping)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(source, [Fault("", f"holds more than plain values: {error}")]) from None
    if not isinstance(suite, dict):
        raise ConfigError(source, [Fault("", f"must be a mapping of sections; it is {show(suite)}")])
    reader = _SuiteReader(load_tables() if tables is None else tables)
    config = reader.read(suite, overrides, Path(source).stem.strip("<>"))
    if reader.faults or config is None:
        raise ConfigError(source, reader.faults)
    return config


def to_yaml(experiment: ExperimentConfig, suite: str, name: str, seed: int) -> str:
    """A suite of this one experiment under this one seed, as a file that repeats the run."""
    return SuiteConfig(name=suite, seeds=(seed,), baseline=name, experiments={name: experiment}).to_yaml()


class _SuiteReader:
    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.faults: list[Fault] = []

    def read(self, suite: dict[str, Any], overrides: Iterable[str], default_name: str) -> SuiteConfig | None:
        suite = {**SECTION_DEFAULTS, **suite}
        set_by: dict[str, str] = {}
        for text in overrides:
            try:
                suite, paths = override(suite, text)
            except PathError as error:
                self.faults.append(Fault(error.fault.path, error.fault.text, f"override {text!r}"))
                continue
            set_by |= dict.fromkeys(paths, text)
        found = self._experiments_of(suite, default_name)
        self.faults = [_with_origin(fault, set_by) for fault in self.faults]
        return found

    def _experiments_of(self, suite: dict[str, Any], default_name: str) -> SuiteConfig | None:
        allowed = (*SUITE_KEYS, *SECTIONS)
        self.faults += [Fault(key, unknown_section(key, allowed)) for key in suite if key not in allowed]
        name = self._validated(_NAME, suite.get("name", default_name), "name")
        seeds = self._validated(_SEEDS, suite.get("seeds", [0]), "seeds")
        common = {key: suite[key] for key in SECTIONS if key in suite}
        found, faults = variants(common, _given(suite, "experiments"), _given(suite, "grid"), name or "suite")
        names = [variant.name for variant in found]
        self.faults += faults + shared_folders(names)
        for each in names:
            self._validated(_NAME, each, f"experiments.{each}")
        baseline = suite.get("baseline", names[0])
        if baseline not in names and not faults:
            self.faults.append(Fault("baseline", _no_experiment(baseline, names)))
        experiments = self._checked(found, complete=not faults)
        if self.faults:
            return None
        return SuiteConfig(name=name, seeds=seeds, baseline=baseline, experiments=experiments)

    def _checked(self, found: Sequence[Variant], complete: bool) -> dict[str, ExperimentConfig]:
        """A fault that many experiments share is told once, with their names where overrides brought it.

        Where the overrides are not ``complete``, nothing is said to be missing: they may have held it.
        """
        experiments: dict[str, ExperimentConfig] = {}
        shared: defaultdict[Fault, list[Variant]] = defaultdict(list)
        for variant in found:
            config, faults = check_experiment(variant.config, self.tables)
            for fault in dict.fromkeys(faults):
                shared[fault].append(variant)
            if config is not None:
                experiments[variant.name] = config
        for fault, having in shared.items():
            if fault.text == MISSING and not complete:
                continue
            common = len(having) == len(found) and not any(
                _touches(fault.path, path) for variant in having for path in variant.overridden
            )
            origin = "" if common else _experiment_names([variant.name for variant in having])
            self.faults.append(Fault(fault.path, fault.text, origin))
        return experiments

    def _validated(self, adapter: TypeAdapter[Any], value: Any, path: str) -> Any:
        checked, faults = validated(adapter, value, path)
        self.faults += faults
        return checked


def _given(suite: Mapping[str, Any], key: str) -> Any:
    """None only where the key is absent: a key without a value is an empty mapping, and a fault."""
    return (suite[key] or {}) if key in suite else None


def _no_experiment(baseline: Any, names: list[str]) -> str:
    if isinstance(baseline, str):
        return unknown("experiment", baseline, names)
    return f"must be an experiment's name; it is {show(baseline)}"


def _touches(fault_path: str, set_path: str) -> bool:
    return f"{fault_path}.".startswith(f"{set_path}.")


def _with_origin(fault: Fault, set_by: Mapping[str, str]) -> Fault:
    texts = [text for path, text in set_by.items() if _touches(fault.path, path)]
    return Fault(fault.path, fault.text, f"override {texts[-1]!r}") if texts and not fault.origin else fault


def _experiment_names(names: list[str]) -> str:
    if len(names) == 1:
        return f"experiment {names[0]!r}"
    more = f" and {len(names) - _NAMES_LISTED} more" if len(names) > _NAMES_LISTED else ""
    return f"experiments {', '.join(map(repr, names[:_NAMES_LISTED]))}{more}"
