"""Weightings from a suite's YAML to its files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlib.config import parse_suite
from cnnlib.types import CnnlibError
from tests.tiny_suite import TINY, write_suite
from tools.run_suite import main

EXPERIMENTS = {"fixed": {}, "mgda": {"weighting": "mgda"}, "famo": {"weighting": {"name": "famo"}}}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the labels are missing; two batches make a step, in bfloat16."""
    folder = tmp_path_factory.mktemp("weightings")
    dataset = TINY["dataset"] | {"name": "tests.half_labelled.HalfLabelled", "train": 8}
    training = TINY["training"] | {"batch_size": 2, "accumulate": 2, "precision": "bf16-mixed"}
    suite = write_suite(folder, dataset=dataset, training=training, experiments=EXPERIMENTS)
    assert main([str(suite), "--out", str(folder / "runs")]) == 0
    return folder / "runs" / "tiny"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_weights_and_cosines_are_in_the_records_and_in_tensorboard(finished: Path, name: str) -> None:
    run = finished / name / "seed-0"
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    events = EventAccumulator(str(run)).Reload()
    # In the order of the tasks in the file, which has its keys sorted.
    keys = ["weighting/depth", "weighting/mask"]
    if name == "mgda":
        keys += ["weighting/cosine/depth-mask", "weighting/conflict/depth-mask"]
    assert [key for key in rows[0] if key.startswith("weighting/")] == keys
    for key in keys:
        logged = [event.value for event in events.Scalars(key)]
        assert logged == pytest.approx([float(row[key]) for row in rows], rel=1e-5)
    assert json.loads((run / "result.json").read_text())["status"] == "finished"
    assert name != "fixed" or {row["weighting/mask"] for row in rows} == {"1.0"}


def test_a_weighting_that_is_not_there_is_told_before_anything_is_trained() -> None:
    with pytest.raises(
        CnnlibError, match=r"weighting: no weighting is named 'mdga' \(did you mean 'mgda'\?\)"
    ):
        parse_suite(TINY | {"weighting": "mdga"})
    with pytest.raises(CnnlibError, match=r"weighting\.c\b.*at least 0"):
        parse_suite(TINY | {"weighting": {"name": "cagrad", "c": -0.1}})
    with pytest.raises(CnnlibError, match=r"derives from cnnlib\.weighting\.base\.Weighting"):
        parse_suite(TINY | {"weighting": "tests.tiny_suite.write_suite"})
