"""Damaged run folders: reports, predictions and resumed runs name what is damaged, and believe nothing of it."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from cnnlib.config import load_suite
from cnnlib.datasets.scenes import Scenes
from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.experiment import run_experiment
from cnnlib.inference import load_run
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.suite_files import write_suite_files
from cnnlib.runs import drop_damaged_results, is_finished, plan, refuse_other_configs
from cnnlib.suite import write_results
from tests.fuzz.harness import Case
from tests.tiny_suite import TINY, write_suite

_TOOL = Path(__file__).parent.parent.parent / "tools" / "run_suite.py"
_RUN = Path("tiny/bce/seed-0")
_VALUES: list[Any] = [
    None,
    True,
    [],
    {},
    [[]],
    {"x": None},
    "",
    "../../x",
    "/etc/passwd",
    "\0",
    "x" * 9999,
    "[[[",
]
_VALUES += [0, -1, 1.5, 2**63, 10**400, 1e308, float("nan"), float("inf"), ["a"], {"name": "os.system"}]
_CONTENTS: list[bytes] = [b"", b"\0" * 100, b"\xff\xfe", b"null", b"[]", b"{}", b"3", b'"a"', b"[" * 10**6]
_CONTENTS += [
    b"{a: " * 2000,
    b'{"a":' * 10**5,
    b"name\n\n",
    b"epoch,name\n1\n",
    b",,,\n" * 1000,
    b"9" * 200_000,
]
_STATES: list[Any] = [{"x": 1}, [1], torch.ones(2), None, 3, "net", {"net": 1}, {"net": "a", "model": {}}]


class Runs:
    """A part of ``python -m tests.fuzz``: a case is a finished suite of which one file was damaged."""

    def prepare(self, folder: Path) -> None:
        os.environ["CNNLIB_CACHE"] = str(folder / "cache")
        self.folder = folder
        training = TINY["training"] | {"epochs": 1}
        self.config = write_suite(
            folder, training=training, experiments={"bce": {}, "l1": {"tasks.mask.loss": "l1"}}
        )
        self.suite = load_suite(self.config)
        # In another process: one that has trained cannot be forked.
        command = [sys.executable, _TOOL, self.config, "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        self.weights = load_checkpoint(folder / _RUN / "checkpoints" / "best.ckpt")["model"]
        self.picture = Scenes(size=32, train=1, val=1, test=1).split("train")[0]["image"][:3]
        self.files = sorted(path.relative_to(folder) for path in self._damaged_files())

    def _damaged_files(self) -> list[Path]:
        suite, run = self.folder / "tiny", self.folder / _RUN
        texts = [path for pattern in ("*.csv", "*.json", "*.yaml") for path in run.glob(pattern)]
        pictures = list(run.glob("predictions/*/*.png"))[:3]
        return [*texts, *run.glob("checkpoints/*.ckpt"), *pictures, suite / "suite.yaml"]

    def case(self, index: int, generator: np.random.Generator) -> Case:
        file = self.files[index % len(self.files)]
        damages: list[Callable[[Path, np.random.Generator], None]] = [_flip, _cut, _replace, _no_file]
        if file.suffix in (".json", ".yaml"):
            damages += [_change_value] * 4
        if file.suffix == ".csv":
            damages += [_change_cell] * 4
        if file.suffix == ".ckpt":
            damages += [_other_state, _other_state, _flip, _flip]
        damage = damages[generator.integers(len(damages))]
        return Case(
            f"{file} {damage.__name__}",
            f"{file.name if file.suffix != '.png' else 'a prediction'}",
            partial(self._try, file, damage, generator),
        )

    def _try(
        self, file: Path, damage: Callable[[Path, np.random.Generator], None], generator: np.random.Generator
    ) -> str:
        shutil.copytree(self.folder / "tiny", "tiny")
        damage(Path(file), generator)
        whole = file.suffix not in (".yaml", ".json")  # a config that was changed is another one
        outcomes = [
            _outcome(each)
            for each in (self._report, partial(self._predict, whole), partial(self._resume, whole))
        ]
        if (error := next((each for each in outcomes if isinstance(each, Exception)), None)) is not None:
            raise error
        return "read"

    def _report(self) -> None:
        write_suite_files(read_suite(Path("tiny")))

    def _predict(self, whole: bool) -> None:
        run = load_run(_RUN)
        if whole:
            self._compare(run.model.state_dict())
        run.predict(self.picture, **dict.fromkeys(list(run.inputs)[:-1], self.picture))

    def _resume(self, whole: bool) -> None:
        """What a suite does with what it finds, in this process."""
        runs = plan(self.suite, Path())
        drop_damaged_results(runs)
        refuse_other_configs(runs)
        for run in runs:
            if run.folder == _RUN:
                (run.folder / "result.json").unlink(missing_ok=True)
                run_experiment(run)
                self._compare(load_checkpoint(_RUN / "checkpoints" / "best.ckpt")["model"])
            assert is_finished(run)
        write_results(runs, Path("tiny"))

    def _compare(self, weights: dict[str, torch.Tensor]) -> None:
        if any(not torch.equal(value, weights[key]) for key, value in self.weights.items()):
            raise AssertionError("damaged weights were believed")


def _outcome(run: Callable[[], None]) -> Exception | None:
    """An error for people is kept, so that the other ways to read a folder are tried too."""
    from cnnlib.types import CnnlibError

    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            run()
        except (CnnlibError, OSError) as error:
            return error
    return None


def _flip(path: Path, generator: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(generator.integers(1, 4)):
        bit = int(generator.integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def _cut(path: Path, generator: np.random.Generator) -> None:
    content = path.read_bytes()
    first, last = sorted(int(each) for each in generator.integers(len(content) + 1, size=2))
    kept = [content[:first], content[first:last], content[:first] + content[last:]]
    kept += [content + content[first:last], content[:first] + bytes(last - first) + content[last:]]
    path.write_bytes(kept[generator.integers(len(kept))])


def _replace(path: Path, generator: np.random.Generator) -> None:
    path.write_bytes(_CONTENTS[generator.integers(len(_CONTENTS))])


def _no_file(path: Path, generator: np.random.Generator) -> None:
    path.unlink()
    kinds = [
        path.mkdir,
        partial(path.symlink_to, path.name),
        partial(path.symlink_to, "/dev/zero"),
        lambda: None,
    ]
    kinds += [partial(os.mkfifo, path), partial(path.symlink_to, "/nowhere")]
    kinds[generator.integers(len(kinds))]()


def _change_value(path: Path, generator: np.random.Generator) -> None:
    """Somewhere in the tree that the file holds."""
    tree = {"root": yaml.safe_load(path.read_text())}
    holder, key = tree, "root"
    while isinstance(holder[key], dict | list) and holder[key] and generator.random() < 0.8:
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[generator.integers(len(keys))]
    kind = generator.integers(4)
    if kind == 0:
        holder.pop(key)
    elif kind == 1:
        holder[key] = [copy.deepcopy(holder[key])]
    else:
        holder[key] = copy.deepcopy(_VALUES[generator.integers(len(_VALUES))])
    text = json.dumps if path.suffix == ".json" else yaml.safe_dump
    path.write_text(text(tree.get("root")))


def _change_cell(path: Path, generator: np.random.Generator) -> None:
    lines = [line.split(",") for line in path.read_text().splitlines()]
    line = lines[generator.integers(len(lines))]
    at = int(generator.integers(len(line)))
    values = ["", "nan", "inf", "-1e308", "1e999", "x", '"', "\0", "½", "9" * 5000, "a\nb", "a,b"]
    kind = generator.integers(4)
    if kind == 0:
        line.pop(at)
    elif kind == 1:
        lines.remove(line)
    else:
        line[at] = values[generator.integers(len(values))]
    path.write_text("\n".join(map(",".join, lines)))


def _other_state(path: Path, generator: np.random.Generator) -> None:
    """A checkpoint with right checksums that holds something else, or a pickle that would run code."""
    saved = torch.load(path, weights_only=True)
    states = [*_STATES, {"net": saved["net"]}, {"net": saved["net"], "model": []}, _Trap()]
    states += [saved | {key: value} for key in saved for value in (None, [], {}, 1, "x")]
    state = states[generator.integers(len(states))]
    if generator.random() < 0.2:
        path.write_bytes(pickle.dumps(state, protocol=2))
    else:
        torch.save(state, path)


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)
