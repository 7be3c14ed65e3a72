"""A suite's YAML, read, expanded and checked; and a run's configuration, written."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from cnnlib.checks import did_you_mean
from cnnlib.config.errors import MISSING, ConfigError, Problem, problems_of, shorten, show
from cnnlib.config.expand import PathError, folder_problems, override, variants
from cnnlib.config.parents import parent_problems
from cnnlib.config.schema import (
    SECTION_DEFAULTS,
    SECTIONS,
    SEEDS_BELOW,
    ExperimentConfig,
    SuiteConfig,
    SuiteFile,
    unknown_key,
    unknown_section,
)
from cnnlib.config.tables import ALL, Tables, load_tables
from cnnlib.config.tasks import Contexts, check_model
from cnnlib.lookup import unknown
from cnnlib.types import CnnlibError
from cnnlib.yaml_text import read_yaml

_NAMES_LISTED = 3
_MOST_RUNS = 100_000


def load_suite(path: Path, overrides: Sequence[str] = (), imported: Collection[str] = ALL) -> SuiteConfig:
    """The suite that the YAML file at ``path`` describes; its name is the file's unless it gives one.

    Args:
        overrides: ``key.path=value`` each, the value in YAML, laid over the file in this order.
        imported: the registries of which outside code is imported. Of another, what has a dotted name is left as it
            is: neither imported nor checked, nor are its options completed.

    Raises:
        ConfigError: with every problem of the file and the overrides.
    """
    try:
        mapping = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), [Problem("", getattr(error, "strerror", None) or str(error))]) from None
    if mapping is None:
        raise ConfigError(str(path), [Problem("", "the file is empty")])
    return parse_suite(mapping, overrides, str(path), imported=imported)


def parse_suite(
    mapping: Mapping[str, Any],
    overrides: Sequence[str] = (),
    source: str = "<suite>",
    tables: Tables | None = None,
    imported: Collection[str] = ALL,
) -> SuiteConfig:
    """The suite that ``mapping`` describes, every experiment of it resolved and checked.

    Args:
        overrides: as for ``load_suite``.
        source: what ``mapping`` is called in errors; the stem of it is the default of the suite's name.
        tables: where components are looked up, the library's own by default.
        imported: as for ``load_suite``.

    Raises:
        ConfigError: with every problem of ``mapping`` and the overrides.
    """
    contexts = Contexts(load_tables() if tables is None else tables, imported)
    try:
        suite = to_jsonable_python(mapping)
    except (ValueError, RecursionError) as error:
        raise ConfigError(source, [Problem("", f"holds more than plain values: {error}")]) from None
    if not isinstance(suite, dict):
        raise ConfigError(source, [Problem("", f"must be a mapping of sections; it is {show(suite)}")])
    stages = [("", {**SECTION_DEFAULTS, **suite})]
    problems: list[Problem] = []
    for text in overrides:
        origin = f"override {shorten(repr(text))}"
        try:
            stages.append((origin, override(stages[-1][1], text)))
        except PathError as error:
            problems.append(error.problem.of(origin))
    name = Path(source).stem.strip("<>")
    config, found = _read(stages[-1][1], name, contexts)
    if found or config is None:
        problems += _attributed(stages, name, contexts)
    if problems:
        raise ConfigError(source, problems)
    return config


def load_experiment(path: Path, imported: Collection[str] = ALL) -> ExperimentConfig:
    """The experiment of the run that the file at ``path``, written by ``to_yaml``, repeats; see ``load_suite``."""
    suite = load_suite(path, imported=imported)
    return suite.experiments[suite.baseline]


def to_yaml(
    experiment: ExperimentConfig,
    suite: str,
    name: str,
    seed: int,
    ancestors: Mapping[str, ExperimentConfig] = MappingProxyType({}),
) -> str:
    """A suite of this one experiment, and of the ``ancestors`` that it builds on, under this one seed: a file that
    repeats the run.
    """
    experiments = {**ancestors, name: experiment}
    return SuiteConfig(name=suite, seeds=(seed,), baseline=name, experiments=experiments).to_yaml()


def until_decided(suite: SuiteConfig, max_seeds: int) -> SuiteConfig:
    """The suite as ``--until decided --max-seeds N`` runs it: compared after its seeds, then after each further one.

    The further seeds are the integers that follow the largest one, up to ``max_seeds`` seeds in all.

    Raises:
        CnnlibError: if there is nothing to decide or no seed to add, or the config says already how long to go on.
    """
    count, last = len(suite.seeds), max(suite.seeds)
    if suite.first_seeds is not None:
        raise CnnlibError(
            f"the config says first_seeds: {suite.first_seeds}, and so goes on until all is decided: leave out --until"
        )
    if len(suite.experiments) < 2:
        raise CnnlibError("--until decided needs at least two experiments to compare; the suite has 1")
    if count < 2:
        raise CnnlibError(
            "--until decided first compares after the suite's seeds; it has 1: give at least two under seeds, "
            "e.g. --set seeds=[0,1,2]"
        )
    if max_seeds <= count:
        raise CnnlibError(
            f"--max-seeds must be above the suite's number of seeds, {count}; it is {max_seeds}"
        )
    if too_many := _too_many_runs(len(suite.experiments), max_seeds):
        raise CnnlibError(f"--max-seeds {max_seeds}: {too_many}")
    after = last + 1 + max_seeds - count
    if after > SEEDS_BELOW:
        raise CnnlibError(
            f"--max-seeds {max_seeds} adds the seeds that follow {last}, and a seed must be below {SEEDS_BELOW}: "
            "give smaller ones under seeds"
        )
    return suite.model_copy(update={"seeds": (*suite.seeds, *range(last + 1, after)), "first_seeds": count})


def _too_many_runs(experiments: int, seeds: int) -> str:
    """Why a suite has more runs than anybody can wait for; empty where it has not."""
    if experiments * seeds <= _MOST_RUNS:
        return ""
    return (
        f"a suite has at most {_MOST_RUNS:,} runs; {experiments:,} experiments under {seeds:,} seeds are "
        f"{experiments * seeds:,}"
    )


def _attributed(stages: Sequence[tuple[str, dict[str, Any]]], name: str, contexts: Contexts) -> list[Problem]:
    """The problems of the last stage; what came with an override, the name of a stage, says so."""
    origins: dict[Problem, str] = {}
    problems: list[Problem] = []
    for origin, suite in stages:
        before, problems = problems, _read(suite, name, contexts)[1]
        origins |= {problem: origin for problem in problems if problem not in before}
    return [problem if problem.origin else problem.of(origins[problem]) for problem in problems]


def _read(suite: dict[str, Any], name: str, contexts: Contexts) -> tuple[SuiteConfig | None, list[Problem]]:
    """The suite, or what is wrong with it; what cannot be read is left out, and the rest is read all the same.

    Args:
        name: the suite's, unless it gives one.
    """
    allowed = (*SuiteFile.model_fields, *SECTIONS)
    problems = [Problem(key, unknown_section(key, allowed)) for key in suite if key not in allowed]
    given = {"name": name} | {key: suite[key] for key in SuiteFile.model_fields if key in suite}
    try:
        file, wrong = SuiteFile.model_validate(given), set()
    except ValidationError as error:
        problems += problems_of(error, given, unknown_key)
        wrong = {detail["loc"][0] for detail in error.errors()}
        kept = {key: value for key, value in given.items() if key not in wrong}
        file = SuiteFile.model_validate({"name": "suite", **kept})
    common = {key: suite[key] for key in SECTIONS if key in suite}
    found, lost = variants(common, file.experiments, file.grid, file.name)
    names = [each for each, _ in found]
    problems += [*lost, *folder_problems(names)]
    complete = not lost and not wrong & {"experiments", "grid"}
    baseline = file.baseline or names[0]
    if baseline not in names and complete:
        problems.append(Problem("baseline", unknown("experiment", baseline, names)))
    if file.first_seeds is not None and file.first_seeds >= len(file.seeds) and "seeds" not in wrong:
        text = f"must be below the number of seeds, {len(file.seeds)}; it is {file.first_seeds}"
        problems.append(Problem("first_seeds", f"{text}: give more seeds, or null to run them all"))
    if too_many := _too_many_runs(len(found), len(file.seeds)):
        problems.append(Problem("seeds", too_many))
    experiments, more = _check_all(found, common, contexts)
    # A task that cannot be read is one problem, not also one of what names it.
    if complete and not any(re.fullmatch(r"tasks(\.[^.]+)?", problem.path) for problem in more):
        problems += _task_problems(file, {each: sections["tasks"] for each, sections in found})
    if complete:
        problems += parent_problems(experiments, names)
    # Where overrides were left out, so was what they hold.
    problems += [problem for problem in more if complete or problem.text != MISSING]
    problems = problems or list(_twins(experiments))
    if problems:
        return None, problems
    config = SuiteConfig(
        name=file.name,
        seeds=file.seeds,
        baseline=baseline,
        margins=file.margins,
        main_task=file.main_task,
        first_seeds=file.first_seeds,
        experiments=experiments,
    )
    return config, []


def _task_problems(file: SuiteFile, tasks: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Of ``margins`` and ``main_task``, where they name no task.

    Args:
        tasks: each experiment's.
    """
    names = list(dict.fromkeys(chain(*tasks.values())))
    for key in file.margins:
        if key not in names:
            yield Problem(f"margins.{key}", unknown("task", key, names))
    lacking = [experiment for experiment, own in tasks.items() if file.main_task not in own]
    if file.main_task is not None and lacking:
        shared = [name for name in names if all(name in own for own in tasks.values())]
        word = f"{file.main_task!r}{did_you_mean(file.main_task, shared)}"
        text = f"must be a task of every experiment; {word} is missing in {_experiment_names(lacking)}"
        yield Problem("main_task", f"{text}; allowed: {', '.join(shared) or 'none'}")


def _twins(experiments: Mapping[str, ExperimentConfig]) -> Iterator[Problem]:
    """Experiments that are the same, and so would be trained to the same weights under each seed."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name, config in experiments.items():
        alike[config.model_dump_json()].append(name)
    for names in alike.values():
        if len(names) > 1:
            text = "a mapping changes the keys that it names and keeps the rest, and null takes a task away"
            yield Problem("", f"experiments must differ, and these do not: {', '.join(names)}; {text}")


def _check_all(
    found: Sequence[tuple[str, dict[str, Any]]], common: dict[str, Any], contexts: Contexts
) -> tuple[dict[str, ExperimentConfig], list[Problem]]:
    """Every experiment; a problem that many share is reported once, with their names where overrides brought it."""
    experiments: dict[str, ExperimentConfig] = {}
    shared: defaultdict[Problem, list[str]] = defaultdict(list)
    for name, sections in found:
        config, problems = check_experiment(sections, contexts)
        for problem in dict.fromkeys(problems):
            shared[problem].append(name)
        if config is not None:
            experiments[name] = config
    of_all = check_experiment(common, contexts)[1] if shared else []
    return experiments, [
        problem if problem in of_all else problem.of(_experiment_names(names))
        for problem, names in shared.items()
    ]


def check_experiment(
    sections: Mapping[str, Any], contexts: Contexts
) -> tuple[ExperimentConfig | None, list[Problem]]:
    """The experiment of these sections, plain values; or None and what is wrong with it."""
    context = contexts.of(sections.get("dataset"))
    try:
        experiment = ExperimentConfig.model_validate(sections, context=context)
        given = [sections.get(key) for key in ("model", "tasks", "freeze", "learning_rate_factors")]
        context.once("heads", given, check_model, experiment, context)
    except ValidationError as error:
        return None, problems_of(error, sections, unknown_key)
    return experiment, []


def _experiment_names(names: list[str]) -> str:
    if len(names) == 1:
        return f"experiment {names[0]!r}"
    more = f" and {len(names) - _NAMES_LISTED} more" if len(names) > _NAMES_LISTED else ""
    return f"experiments {', '.join(map(repr, names[:_NAMES_LISTED]))}{more}"
