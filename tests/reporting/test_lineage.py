"""The family tree: who descends from whom, what is said of each step, and what has become of parents."""

from __future__ import annotations

import html
import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import yaml

from cnnlib.config.schema import SuiteConfig
from cnnlib.files import write_json
from cnnlib.reporting.comparison import compare_steps, compare_suite
from cnnlib.reporting.lineage import Lineage, Step
from cnnlib.reporting.read_lineage import lineage_of, read_lineage
from cnnlib.reporting.results import read_suite
from tests.reporting.fake_family import VERSIONS, Version, record_start, write_family
from tools.report import main as report

IOU = "mask/iou"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("runs") / "detector_journal")


@pytest.fixture(scope="module")
def told(journal: Path) -> Lineage:
    return read_lineage(journal)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """a → b → c, two seeds each."""
    family = {"a": Version(0.5), "b": Version(0.6, "a"), "c": Version(0.55, "b")}
    return write_family(tmp_path / "runs" / "chain", family, seeds=(0, 1), images=8)


def names(keys: list[tuple[Path, str]]) -> list[str]:
    return [name for _, name in keys]


def step_of(lineage: Lineage, name: str) -> Step:
    (step,) = (step for (_, experiment), step in lineage.steps.items() if experiment == name)
    return step


def test_the_journal_is_a_forest_in_its_own_order(told: Lineage, journal: Path) -> None:
    assert names(list(told.steps)) == list(VERSIONS)
    assert names(told.roots) == ["v1", "v3", "v5"]
    for name in VERSIONS:
        heirs = [heir for heir, version in VERSIONS.items() if version.start == name]
        assert names(told.children((journal.resolve(), name))) == heirs
    assert not any(step.notes for step in told.steps.values())


def test_the_journal_reads_on_where_it_starts_from_scratch(told: Lineage) -> None:
    """A root lists its changes since the experiment before, as versions 3 and 5 of the journal do."""
    assert step_of(told, "v1").reference is None
    assert step_of(told, "v1").changes == ()
    for name, before in (("v3", "v2"), ("v5", "v4")):
        step = step_of(told, name)
        assert (step.inherits, step.start, step.reference[1]) == (False, "from scratch", before)
    assert step_of(told, "v5").changes == (
        "loss weight of mask 100 -> 1000",
        "longest side of resize unset -> true",
        "learning rate 0.0001 -> 0.01",
    )


@pytest.mark.parametrize(
    ("name", "parent", "start", "changes"),
    [
        ("v2", "v1", "takes over weights and heads of v1, not its optimizer state",
         {"trained encoder stages 0 -> 2", "loss weight of mask 75 -> 100", "learning rate 0.001 -> 0.0001"}),
        ("v6", "v5", "takes over weights and heads of v5, not its optimizer state", {"trained encoder stages 2 -> 3"}),
        ("v8", "v6", "takes over weights and heads of v6, not its optimizer state",
         {"trained encoder stages 3 -> 4", "learning rate 0.01 -> 0.0001"}),
        ("v9", "v8", "takes over weights, heads and optimizer state of v8", {"learning rate 0.0001 -> 0.001"}),
        ("v11", "v10", "takes over weights, heads and optimizer state of v10",
         {"longest side of resize true -> unset", "learning rate 0.0001 -> 0.01"}),
    ],
)  # fmt: skip
def test_a_step_tells_what_the_journal_tells(
    told: Lineage, name: str, parent: str, start: str, changes: set[str]
) -> None:
    step = step_of(told, name)
    assert (step.inherits, step.reference[1], step.start) == (True, parent, start)
    assert set(step.changes) == changes


def test_the_change_of_a_score_is_to_the_parent(told: Lineage, journal: Path) -> None:
    folder = journal.resolve()
    for name, before in (("v2", "v1"), ("v3", "v2"), ("v5", "v4"), ("v8", "v6"), ("v9", "v8")):
        change = VERSIONS[name].iou - VERSIONS[before].iou
        assert told.change((folder, name), IOU) == pytest.approx(change)
        assert told.comparisons[(folder, name), IOU].difference.value == pytest.approx(change)
    assert told.comparisons[(folder, "v5"), IOU].verdict.name == "BETTER"
    assert told.comparisons[(folder, "v9"), IOU].verdict.name == "UNDECIDED"


def test_a_step_is_compared_as_the_suite_compares_with_its_baseline(journal: Path) -> None:
    """With one baseline for all, steps are what a suite's comparisons are."""
    suite = read_suite(journal)
    compared = compare_suite(suite)[IOU].experiments
    steps = compare_steps(suite, {name: "v1" for name in VERSIONS if name != "v1"})
    assert [name for _, name in steps] == [name for name in compared if name != "v1"]
    for (_, name), one in steps.items():
        other = compared[name]
        assert (one.verdict, one.effect, one.p, one.p_equal) == (
            other.verdict,
            other.effect,
            other.p,
            other.p_equal,
        )
        assert (one.more_seeds, one.one_run) == (other.more_seeds, other.one_run)


def test_each_step_is_compared_with_its_own_baseline(journal: Path, told: Lineage) -> None:
    """The effects are those of a suite with that baseline, and no p-value is smaller than it would be alone."""
    for name, before in (("v3", "v2"), ("v5", "v4"), ("v8", "v6")):
        suite = replace(read_suite(journal), baseline=before)
        whole, alone = (
            compare_suite(suite)[IOU].experiments[name],
            compare_steps(suite, {name: before})[IOU, name],
        )
        step = told.comparisons[(journal.resolve(), name), IOU]
        assert step.effect == whole.effect == alone.effect
        assert alone.p <= step.p <= 10 * alone.p


def test_what_a_suite_says_of_itself_is_no_change(chain: Path) -> None:
    path = chain / "b" / "seed-0" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    added = dict.fromkeys(SuiteConfig.model_fields.keys() - config.keys(), "7")
    path.write_text(
        yaml.safe_dump(config | added | {"name": "other", "seeds": [7], "start_from": {"run": "a"}})
    )
    assert step_of(read_lineage(chain), "b").changes == ()


def test_a_missing_parent_is_told(chain: Path) -> None:
    shutil.rmtree(chain / "a")
    step = step_of(read_lineage(chain), "b")
    assert (step.inherits, step.reference, step.changes) == (True, None, ())
    (note,) = step.notes
    assert str(chain / "a") in note
    assert "no finished run" in note


def test_a_parent_may_be_missing_for_one_seed(chain: Path) -> None:
    shutil.rmtree(chain / "a" / "seed-1")
    step = step_of(read_lineage(chain), "b")
    assert step.reference == (chain.resolve(), "a")
    assert step.notes == ("a is missing (seed 1)",)


def test_a_changed_parent_is_marked(chain: Path) -> None:
    (chain / "a" / "seed-1" / "checkpoints" / "best.ckpt").write_bytes(b"trained again")
    lineage = read_lineage(chain)
    assert step_of(lineage, "b").notes == ("a has changed since (seed 1)",)
    assert step_of(lineage, "c").notes == ()
    (chain / "a" / "seed-0" / "checkpoints" / "best.ckpt").write_bytes(b"trained again")
    assert step_of(read_lineage(chain), "b").notes == ("a has changed since",)


def test_a_lost_checkpoint_leaves_it_open(chain: Path) -> None:
    for seed in (0, 1):
        (chain / "b" / f"seed-{seed}" / "checkpoints" / "best.ckpt").unlink()
    (note,) = step_of(read_lineage(chain), "c").notes
    assert note == "b has lost its best.ckpt, so it may have changed since"


def test_seeds_may_start_from_one_run(chain: Path) -> None:
    record = json.loads((chain / "b" / "seed-0" / "result.json").read_text())["start_from"]
    path = chain / "b" / "seed-1" / "result.json"
    write_json(path, json.loads(path.read_text()) | {"start_from": record})
    step = step_of(read_lineage(chain), "b")
    assert step.start == "takes over weights and heads of a (seed 0), not its optimizer state"
    assert step.notes == ()


def test_seeds_that_start_from_different_experiments_say_so(chain: Path) -> None:
    record_start(chain / "c" / "seed-1", "a")
    step = step_of(read_lineage(chain), "c")
    assert step.reference[1] == "b"
    (note,) = step.notes
    assert "different experiments" in note
    assert "b, a" in note


@pytest.mark.parametrize(
    ("taken", "start"),
    [
        ({"heads": False}, "takes over weights of a, not its heads and optimizer state"),
        ({"heads": False, "optimizer": True}, "takes over weights and optimizer state of a, not its heads"),
        ({"weights": False}, "takes over heads of a, not its weights and optimizer state"),
        ({"weights": False, "heads": False}, "takes over nothing of a"),
    ],
)
def test_what_is_taken_over(chain: Path, taken: dict[str, bool], start: str) -> None:
    for seed in (0, 1):
        record_start(chain / "b" / f"seed-{seed}", "a", **taken)
    assert step_of(read_lineage(chain), "b").start == start


def test_a_parent_in_another_suite_is_found_by_its_path(chain: Path) -> None:
    heir = write_family(chain.parent / "heir", {"d": Version(0.7, "../chain/c")}, seeds=(0, 1), images=8)
    lineage = read_lineage(heir)
    there, here = chain.resolve(), heir.resolve()
    assert list(lineage.steps) == [(there, "a"), (there, "b"), (there, "c"), (here, "d")]
    assert lineage.own == {here}
    assert step_of(lineage, "d").start.startswith("takes over weights and heads of chain/c")
    assert lineage.title((there, "c"), here) == "chain/c"
    assert lineage.change((here, "d"), IOU) == pytest.approx(0.15)
    difference = lineage.comparisons[(here, "d"), IOU].difference
    assert difference.value == pytest.approx(0.15)


def test_all_suites_of_a_folder_are_one_forest(chain: Path) -> None:
    heir = write_family(chain.parent / "heir", {"d": Version(0.7, "../chain/b")}, seeds=(0, 1), images=8)
    lineage = read_lineage(chain.parent)
    assert set(names(lineage.children((chain.resolve(), "b")))) == {"c", "d"}
    assert names(lineage.roots) == ["a"]
    assert lineage.own == {chain.resolve(), heir.resolve()}


def test_another_suites_damage_does_not_hide_ones_own(chain: Path) -> None:
    heir = write_family(chain.parent / "heir", {"d": Version(0.7, "../chain/c")}, seeds=(0, 1), images=8)
    for seed in (0, 1):
        (chain / "c" / f"seed-{seed}" / "result.json").write_text("{")
    (note,) = step_of(read_lineage(heir), "d").notes
    assert "no finished run that can be read" in note


def test_a_run_made_again_from_its_descendant_is_no_endless_tree(chain: Path) -> None:
    for seed in (0, 1):
        record_start(chain / "a" / f"seed-{seed}", "c")
    lineage = read_lineage(chain)
    assert names(lineage.roots) == ["a"]
    assert step_of(lineage, "a").notes == ("descends from itself",)
    assert names(lineage.children((chain.resolve(), "a"))) == ["b"]


def test_a_suite_without_parents_has_no_heirs(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "s", {"a": Version(0.5), "b": Version(0.6)}, seeds=(0,), images=4)
    lineage = lineage_of([read_suite(folder)])
    assert not lineage.inherits
    assert names(lineage.roots) == ["a", "b"]


def test_a_lost_config_leaves_the_changes_open(chain: Path) -> None:
    (chain / "a" / "seed-0" / "config.yaml").unlink()
    assert step_of(read_lineage(chain), "b").changes == ("unknown: a has no config.yaml that can be read",)


@pytest.mark.parametrize(
    "damage",
    [
        "a",
        [],
        {},
        {"folder": 3},
        {"seed": "0"},
        {"seed": True},
        {"sha256": None},
        {"weights": 1},
        {"folder": "a\0b"},
        None,
        [{}],
    ],
    ids=str,
)
def test_a_run_with_a_damaged_record_is_named_and_the_rest_is_shown(
    chain: Path, damage: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = chain / "c" / "seed-1" / "result.json"
    result = json.loads(path.read_text())
    record = result["start_from"] | damage if isinstance(damage, dict) and damage else damage
    write_json(path, result | {"start_from": record})
    assert report([str(chain)]) == 0
    capsys.readouterr()
    assert f"{path}: start_from" in html.unescape((chain / "report.html").read_text())
    lineage = read_lineage(chain)
    assert [run.seed for run in lineage.runs((chain.resolve(), "c"))] == [0]


def test_a_parent_whose_folder_has_an_impossible_name_is_missing(chain: Path) -> None:
    path = chain / "c" / "seed-1" / "result.json"
    result = json.loads(path.read_text())
    write_json(path, result | {"start_from": result["start_from"] | {"folder": "x" * 9999}})
    assert report([str(chain)]) == 0
    assert any("no finished run that can be read" in note for note in step_of(read_lineage(chain), "c").notes)


def test_the_family_of_the_tests_has_the_scores_that_it_says(journal: Path) -> None:
    for name, version in VERSIONS.items():
        runs = [
            json.loads((journal / name / f"seed-{seed}" / "result.json").read_text()) for seed in range(3)
        ]
        assert fmean(run["test"][IOU] for run in runs) == pytest.approx(version.iou)
