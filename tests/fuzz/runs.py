"""Damaged run folders: reports, predictions and resumed runs name what is damaged, and accept nothing of it."""

from __future__ import annotations

import io
import json
import os
import pickle
import platform
import random
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch

from cnnlib.config import load_suite
from cnnlib.datasets.scenes import Scenes
from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.experiment import run_experiment
from cnnlib.inference import load_run
from cnnlib.parents import refuse_changed_parents
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.suite_files import write_suite_files
from cnnlib.runs import drop_damaged_results, is_finished, plan, refuse_other_configs
from cnnlib.suite import write_results
from cnnlib.types import CnnlibError
from tests.fuzz.damages import Damage, damages_of
from tests.fuzz.harness import Case
from tests.fuzz.trap import pickled
from tests.fuzz.trees import changed
from tests.tiny_suite import TINY, write_suite

Weights: TypeAlias = Mapping[str, torch.Tensor]
_TOOL = Path(__file__).parent.parent.parent / "tools" / "run_suite.py"
_RUNS = [Path("tiny/bce/seed-0"), Path("tiny/child/seed-0")]
_SUITE = Path("tiny/suite.yaml")
_STATES: list[Any] = [{"x": 1}, [1], torch.ones(2), None, 3, "net", {"net": 1}, {"net": "a", "model": {}}]


class Runs:
    """A part of ``python -m tests.fuzz``: a case is a finished suite of which one file was damaged."""

    def prepare(self, folder: Path) -> None:
        os.environ["CNNLIB_CACHE"] = str(folder / "cache")
        # Where Linux does not provide it, Python asks another program, once.
        platform.processor()
        self.folder = folder
        experiments = {"bce": {}, "child": {"start_from": {"run": "bce", "heads": True}}}
        self.config = write_suite(folder, training=TINY["training"] | {"epochs": 1}, experiments=experiments)
        self.suite = load_suite(self.config)
        # In another process: one that has trained cannot be forked.
        command = [sys.executable, _TOOL, self.config, "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        self.weights = {
            run: load_checkpoint(folder / run / "checkpoints/best.ckpt")["model"] for run in _RUNS
        }
        self.picture = Scenes(size=32, train=1, val=1, test=1).split("train")[0]["image"][:3]
        self.files = [_SUITE, *(path.relative_to(folder) for run in _RUNS for path in _files(folder / run))]

    def case(self, index: int, rng: random.Random) -> Case:
        file = self.files[index % len(self.files)]
        damages = damages_of(file)
        if file.suffix == ".ckpt":
            damages += [_other_state] * 4
        if file == _RUNS[1] / "result.json":
            damages += [_other_start] * 8
        damage = rng.choice(damages)
        kind = "a prediction" if file.suffix == ".png" else file.name
        return Case(f"{file} {damage.__name__}", kind, partial(self._try, file, damage, rng))

    def _try(self, file: Path, damage: Damage, rng: random.Random) -> str:
        shutil.copytree(self.folder / "tiny", "tiny")
        # Another run's checkpoint is whole, and nothing says whose it is.
        files = [each for each in self.files if each.suffix != ".ckpt" or each.parent == file.parent]
        damage(file, files, rng)
        run = next((run for run in _RUNS if file.is_relative_to(run)), _RUNS[0])
        # A config that was changed is another one.
        weights = None if file.suffix in (".yaml", ".json") else self.weights[run]
        ways = [_report, partial(self._predict, run, weights), partial(self._resume, run, weights)]
        report, *others = map(_error, ways)
        if report and file != _SUITE:
            raise AssertionError(f"no report of what is whole: {report}") from report
        if error := next(filter(None, [report, *others]), None):
            raise error
        return "read"

    def _predict(self, folder: Path, weights: Weights | None) -> None:
        run = load_run(folder)
        _compare(run.model.state_dict(), weights)
        run.predict(self.picture, **dict.fromkeys(list(run.inputs)[:-1], self.picture))

    def _resume(self, folder: Path, weights: Weights | None) -> None:
        """What a suite does with what it finds, in this process."""
        runs = plan(self.suite, Path())
        drop_damaged_results(runs)
        refuse_other_configs(runs)
        refuse_changed_parents(runs)
        for run in runs:
            if run.folder == folder:
                (run.folder / "result.json").unlink(missing_ok=True)
                run_experiment(run)
                _compare(load_checkpoint(folder / "checkpoints/best.ckpt")["model"], weights)
            assert is_finished(run)
        write_results(runs, Path("tiny"))


def _files(run: Path) -> list[Path]:
    """Those that are damaged."""
    texts = [path for pattern in ("*.csv", "*.json", "*.yaml") for path in sorted(run.glob(pattern))]
    pictures = sorted(run.glob("predictions/*/*.png"))[:3]
    return [*texts, *sorted(run.glob("checkpoints/*.ckpt")), *pictures]


def _report() -> None:
    write_suite_files(read_suite(Path("tiny")))


def _compare(found: Weights, expected: Weights | None) -> None:
    if expected and any(not torch.equal(value, found[key]) for key, value in expected.items()):
        raise AssertionError("damaged weights were accepted")


def _error(run: Callable[[], None]) -> Exception | None:
    """For people; it is kept, so that the other ways to read a folder are tried too."""
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            run()
        except (CnnlibError, OSError) as error:
            return error
    return None


def _other_start(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """What the result says of the run's parent."""
    result = json.loads(path.read_text())
    path.write_text(json.dumps(result | {"start_from": changed(result["start_from"], rng)}))


def _other_state(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """A checkpoint with right checksums that holds something else, or a pickle that would run code."""
    saved = torch.load(path, weights_only=True)
    states = [*_STATES, {"net": saved["net"]}, {"net": saved["net"], "model": []}, pickled()]
    states += [saved | {key: value} for key in saved for value in (None, [], {}, 1, "x", pickled())]
    state = rng.choice(states)
    if rng.random() < 0.2:
        path.write_bytes(pickle.dumps(state, protocol=2))
    else:
        torch.save(state, path)
