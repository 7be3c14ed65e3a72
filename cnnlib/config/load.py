"""A suite's YAML, read, expanded and checked; and a run's configuration, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cnnlib.config.errors import MISSING, ConfigError, Problem, problems_of, show
from cnnlib.config.expand import PathError, Variant, override, shared_folders, variants
from cnnlib.config.options import plain
from cnnlib.config.registered import Context
from cnnlib.config.schema import (
    SECTION_DEFAULTS,
    SECTIONS,
    ExperimentConfig,
    SuiteConfig,
    SuiteFile,
    folder_name,
    unknown_key,
    unknown_section,
)
from cnnlib.config.tables import Tables, load_tables
from cnnlib.config.tasks import check_model, dataset_targets
from cnnlib.config.yaml_text import parse_yaml
from cnnlib.lookup import unknown

_NAMES_LISTED = 3


def load_suite(path: Path, overrides: Sequence[str] = ()) -> SuiteConfig:
    """The suite that the YAML file at ``path`` describes; its name is the file's unless it gives one.

    Args:
        overrides: ``key.path=value`` each, the value in YAML, laid over the file in this order.

    Raises:
        ConfigError: with every problem of the file and the overrides.
    """
    try:
        mapping = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(str(path), [Problem("", "there is no such file")]) from None
    except UnicodeDecodeError as error:
        problem = Problem("", f"is not UTF-8 text: byte {error.start} cannot be read")
        raise ConfigError(str(path), [problem]) from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), [Problem("", str(error))]) from None
    if mapping is None:
        raise ConfigError(str(path), [Problem("", "the file is empty")])
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
        tables: where components are looked up, the library's own by deproblem.

    Raises:
        ConfigError: with every problem of ``mapping`` and the overrides.
    """
    try:
        suite = plain(mapping)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(source, [Problem("", f"holds more than plain values: {error}")]) from None
    if not isinstance(suite, dict):
        raise ConfigError(source, [Problem("", f"must be a mapping of sections; it is {show(suite)}")])
    reader = _SuiteReader(load_tables() if tables is None else tables)
    config = reader.read(suite, overrides, Path(source).stem.strip("<>"))
    if reader.problems or config is None:
        raise ConfigError(source, reader.problems)
    return config


def to_yaml(experiment: ExperimentConfig, suite: str, name: str, seed: int) -> str:
    """A suite of this one experiment under this one seed, as a file that repeats the run."""
    return SuiteConfig(name=suite, seeds=(seed,), baseline=name, experiments={name: experiment}).to_yaml()


def check_experiment(
    config: Mapping[str, Any], tables: Tables
) -> tuple[ExperimentConfig | None, list[Problem]]:
    """The experiment that ``config`` describes, or None and what is wrong with it.

    Args:
        config: the sections of one experiment, as plain values.
    """
    context = Context(tables, dataset_targets(config.get("dataset"), tables["dataset"]))
    try:
        experiment = ExperimentConfig.model_validate(config, context=context)
        check_model(experiment, context)
    except ValidationError as error:
        return None, problems_of(error, config, unknown_key)
    return experiment, []


class _SuiteReader:
    """Collects problems instead of raising: what cannot be read is left out, and the rest is read all the same."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.problems: list[Problem] = []

    def read(self, suite: dict[str, Any], overrides: Iterable[str], default_name: str) -> SuiteConfig | None:
        suite = {**SECTION_DEFAULTS, **suite}
        set_by: dict[str, str] = {}
        for text in overrides:
            try:
                suite, paths = override(suite, text)
            except PathError as error:
                self.problems.append(error.problem.of(f"override {text!r}"))
                continue
            set_by |= dict.fromkeys(paths, text)
        found = self._read_suite(suite, default_name)
        self.problems = [_with_origin(problem, set_by) for problem in self.problems]
        return found

    def _read_suite(self, suite: dict[str, Any], default_name: str) -> SuiteConfig | None:
        allowed = (*SuiteFile.model_fields, *SECTIONS)
        unknown_keys = [key for key in suite if key not in allowed]
        self.problems += [Problem(key, unknown_section(key, allowed)) for key in unknown_keys]
        file, complete = self._read_file(suite, default_name)
        common = {key: suite[key] for key in SECTIONS if key in suite}
        found, problems = variants(common, file.experiments, file.grid, file.name)
        names = [variant.name for variant in found]
        self.problems += problems + shared_folders(names)
        for name in names:
            try:
                folder_name(name)
            except ValueError as error:
                self.problems.append(Problem(f"experiments.{name}", str(error)))
        baseline = file.baseline or names[0]
        complete = complete and not problems
        if baseline not in names and complete:
            self.problems.append(Problem("baseline", unknown("experiment", baseline, names)))
        experiments = self._checked(found, complete)
        if self.problems:
            return None
        return SuiteConfig(name=file.name, seeds=file.seeds, baseline=baseline, experiments=experiments)

    def _read_file(self, suite: Mapping[str, Any], default_name: str) -> tuple[SuiteFile, bool]:
        """The suite's own keys, and whether its experiments and its grid are complete."""
        given = {"name": default_name} | {key: suite[key] for key in SuiteFile.model_fields if key in suite}
        try:
            return SuiteFile.model_validate(given), True
        except ValidationError as error:
            self.problems += problems_of(error, given, unknown_key)
            places = [detail["loc"] for detail in error.errors()]
        for key, *inner in places:
            if inner and isinstance(given.get(key), dict):
                given[key] = {name: value for name, value in given[key].items() if name != inner[0]}
            else:
                given.pop(key, None)
        kept = {key: value for key, value in given.items() if value}
        return SuiteFile.model_validate({"name": "suite", **kept}), not {"experiments", "grid"} & {
            place[0] for place in places
        }

    def _checked(self, found: Sequence[Variant], complete: bool) -> dict[str, ExperimentConfig]:
        """A problem that many experiments share is reported once, with their names where overrides brought it.

        Where the overrides are not ``complete``, nothing is said to be missing: they may have held it.
        """
        experiments: dict[str, ExperimentConfig] = {}
        shared: defaultdict[Problem, list[Variant]] = defaultdict(list)
        for variant in found:
            config, problems = check_experiment(variant.config, self.tables)
            for problem in problems:
                shared[problem].append(variant)
            if config is not None:
                experiments[variant.name] = config
        for problem, having in shared.items():
            if problem.text == MISSING and not complete:
                continue
            common = len(having) == len(found) and not any(
                _touches(problem.path, path) for variant in having for path in variant.overridden
            )
            self.problems.append(
                problem if common else problem.of(_experiment_names([variant.name for variant in having]))
            )
        return experiments


def _touches(problem_path: str, set_path: str) -> bool:
    return f"{problem_path}.".startswith(f"{set_path}.")


def _with_origin(problem: Problem, set_by: Mapping[str, str]) -> Problem:
    texts = [text for path, text in set_by.items() if _touches(problem.path, path)]
    return problem.of(f"override {texts[-1]!r}") if texts and not problem.origin else problem


def _experiment_names(names: list[str]) -> str:
    if len(names) == 1:
        return f"experiment {names[0]!r}"
    more = f" and {len(names) - _NAMES_LISTED} more" if len(names) > _NAMES_LISTED else ""
    return f"experiments {', '.join(map(repr, names[:_NAMES_LISTED]))}{more}"
