"""The family tree, from the folders of suites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from cnnlib.reporting.config_difference import difference_words
from cnnlib.reporting.lineage import Key, Lineage, Step
from cnnlib.reporting.origins import Origin, State, read_origin
from cnnlib.reporting.results import SuiteResults, read_suite
from cnnlib.types import CnnlibError

_SHOWN_ELSEWHERE = (
    *("name", "seeds", "baseline", "experiments", "margins", "main_task", "first_seeds"),  # the suite's own
    "start_from",
)

_ERRORS_SHOWN = 3


def read_lineage(folder: Path) -> Lineage:
    """Of a suite's folder, or of all suites in a folder such as ``runs``.

    Raises:
        CnnlibError: no suite there, none with a finished run, or a damaged file, which is named.
    """
    inside = sorted(path.parent for path in folder.glob("*/suite.yaml"))
    own = [folder] if (folder / "suite.yaml").exists() else inside
    if not own:
        raise CnnlibError(
            f"{folder}: no suite.yaml in it, nor in a folder of it; give a suite's folder, or runs"
        )
    lineage = lineage_of([read_suite(each) for each in own])
    if not lineage.steps:
        errors = [run.error for suite in lineage.suites.values() for run in suite.unfinished if run.error]
        raise CnnlibError("\n".join([f"{folder}: no run has finished yet", *errors[:_ERRORS_SHOWN]]))
    return lineage


def lineage_of(own: Sequence[SuiteResults]) -> Lineage:
    """The experiments of these suites that have finished runs, and their ancestors, wherever those are.

    Raises:
        CnnlibError: a file of these suites is damaged; one of another suite is reported in a note.
    """
    suites = {suite.folder.resolve(): suite for suite in own}
    steps = [(folder, name) for folder, suite in suites.items() for name in suite.finished]
    folders = frozenset(suites)
    origins: dict[Key, list[Origin | None]] = {}
    waiting = steps[::-1]
    while waiting:
        folder, name = key = waiting.pop()
        if key not in origins:
            origins[key] = [read_origin(run) for run in suites[folder].finished[name]]
            waiting += _known(origins[key], suites)
    elsewhere = [key for key in reversed(origins) if key[0] not in folders]
    lineage = Lineage(suites, folders, dict.fromkeys([*elsewhere, *steps], Step(False, None, "")))
    return replace(
        lineage, steps=_without_loops({key: _step(key, origins[key], lineage) for key in lineage.steps})
    )


def _known(origins: Sequence[Origin | None], suites: dict[Path, SuiteResults]) -> list[Key]:
    """The experiments that ``origins`` are runs of, where these can be read; adds their suites to ``suites``."""
    known = []
    for folder, name in dict.fromkeys(_key(origin) for origin in origins if origin):
        if folder not in suites and (suite := _read_elsewhere(folder)):
            suites[folder] = suite
        if folder in suites and name in suites[folder].finished:
            known.append((folder, name))
    return known


def _read_elsewhere(folder: Path) -> SuiteResults | None:
    try:
        return read_suite(folder)
    except (CnnlibError, OSError):
        return None


def _key(origin: Origin) -> Key:
    return origin.folder.parent.parent, origin.folder.parent.name


def _step(key: Key, origins: Sequence[Origin | None], lineage: Lineage) -> Step:
    folder = key[0]
    given = [origin for origin in origins if origin]
    if not given:
        before = [(folder, other) for other in lineage.suites[folder].finished]
        before = [other for other in before[: before.index(key)] if other in lineage.steps]
        reference = before[-1] if before else None
        return Step(False, reference, "from scratch", _changes(lineage, reference, key))
    reference = parent if (parent := _key(given[0])) in lineage.steps else None
    seeds = [run.seed for run, origin in zip(lineage.runs(key), origins, strict=True) if origin]
    start = _start(_name(lineage, parent, folder), given, seeds)
    notes = tuple(_notes(key, origins, lineage))
    return Step(True, reference, start, _changes(lineage, reference, key), notes)


def _name(lineage: Lineage, key: Key, seen_from: Path) -> str:
    """The title of an experiment that may be unknown."""
    return lineage.title(key, seen_from) if key[0] in lineage.suites else key[1]


def _start(name: str, origins: Sequence[Origin], seeds: Sequence[int]) -> str:
    """``takes over weights and heads of v1, not its optimizer state``.

    Args:
        name: of the experiment of ``origins``.
        seeds: of the runs that started from them.
    """
    taken, left = origins[0].taken, origins[0].left
    of_origins = sorted({origin.record["seed"] for origin in origins})
    other = "" if of_origins == sorted(seeds) else f" ({_seeds(of_origins)})"
    words = f"takes over {_listed(taken or ['nothing'])} of {name}{other}"
    return words + (f", not its {_listed(left)}" if taken and left else "")


def _listed(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _changes(lineage: Lineage, reference: Key | None, key: Key) -> tuple[str, ...]:
    if reference is None:
        return ()
    first = [lineage.runs(one)[0] for one in (reference, key)]
    lost = [run for run in first if "config.yaml" in run.missing]
    if lost:
        return (f"unknown: {lost[0].experiment} has no config.yaml that can be read",)
    old, new = (
        {section: value for section, value in run.config.items() if section not in _SHOWN_ELSEWHERE}
        for run in first
    )
    return tuple(difference_words(old, new))


def _notes(key: Key, origins: Sequence[Origin | None], lineage: Lineage) -> Iterator[str]:
    """Each thing that is wrong with parents, with the seeds that it is wrong for unless it is so for all."""
    found: dict[str, list[int]] = {}
    for run, origin in zip(lineage.runs(key), origins, strict=True):
        if origin is None:
            found.setdefault("starts from scratch, unlike the others", []).append(run.seed)
            continue
        name = _name(lineage, _key(origin), key[0])
        if _key(origin) not in lineage.steps:
            place = f"{name} ({origin.folder.parent})"
            words = f"{place} has no finished run that can be read: what changed since is unknown"
            found.setdefault(words, []).append(run.seed)
        elif (state := origin.state) is not State.UNCHANGED:
            found.setdefault(f"{name} {state.value}", []).append(run.seed)
    names = dict.fromkeys(_name(lineage, _key(origin), key[0]) for origin in origins if origin)
    if len(names) > 1:
        yield f"its seeds start from different experiments, and are shown below the first: {', '.join(names)}"
    for words, seeds in found.items():
        yield words + (f" ({_seeds(seeds)})" if len(seeds) < len(origins) else "")


def _without_loops(steps: Mapping[Key, Step]) -> dict[Key, Step]:
    """Runs that were made again from their own descendants have no first ancestor: such links are cut."""
    cut = dict(steps)
    for key, step in steps.items():
        if step.inherits and _leads_back(key, cut):
            cut[key] = replace(step, reference=None, changes=(), notes=(*step.notes, "descends from itself"))
    return cut


def _leads_back(key: Key, steps: Mapping[Key, Step]) -> bool:
    seen: set[Key] = set()
    above = key
    while (step := steps[above]).inherits and step.reference and above not in seen:
        seen.add(above)
        above = step.reference
        if above == key:
            return True
    return False
