"""Configs that somebody mistyped, damaged or made on purpose: loaded and checked as before training."""

from __future__ import annotations

import copy
import io
import json
import os
import random
from collections.abc import Callable
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from cnnlib.config import ConfigError, load_suite
from cnnlib.config.tables import load_tables
from cnnlib.suite import check_suite
from cnnlib.types import CnnlibError
from tests.datasets.pictures import disc, photo, save
from tests.fuzz.config_bases import Sections, sound_configs
from tests.fuzz.harness import Case
from tests.fuzz.hostile_values import KEYS, NUMBERS, OUTSIDE, PATTERNS, PIECES, SECTIONS, TEXTS, VALUES
from tests.fuzz.trees import Place, at, placed, places

_MOST_SAMPLES, _MOST_PIXELS, _MOST_RUNS = 64, 64, 2


class Written(NamedTuple):
    """A config as a command line gets it."""

    content: bytes | Callable[[Path], object]
    """Of the file; or what makes something else in its place."""
    overrides: list[str]


class Configs:
    """Case by case, a sound config with one to three things wrong."""

    def prepare(self, folder: Path) -> None:
        torch.set_num_threads(1)
        os.environ["CNNLIB_CACHE"] = str(folder / "cache")
        self.folder, self.makers = folder, sound_configs(folder)
        self.made: dict[str, Sections] = {}

    def case(self, index: int, rng: random.Random) -> Case:
        name = rng.choice(list(self.makers))
        if name not in self.made:
            self.made[name] = self._sound(name)
        kind = rng.choice(list(KINDS))
        return Case(name, kind, partial(_try, kind, self.made[name], rng))

    def _sound(self, name: str) -> Sections:
        """The config of that name, read and checked once: what that imports and renders is there for every case."""
        config, path = self.makers[name](), self.folder / "suite.yaml"
        path.write_text(yaml.safe_dump(config))
        try:
            with redirect_stderr(io.StringIO()):
                read_and_check(path, [])
        except ConfigError as error:
            raise AssertionError(f"the config {name} is not sound: {error}") from error
        except CnnlibError:  # its data are not here
            pass
        return config


def _try(kind: str, config: Sections, rng: random.Random) -> str:
    path, written = Path("suite.yaml"), KINDS[kind](copy.deepcopy(config), rng)
    if isinstance(written.content, bytes):
        path.write_bytes(written.content)
    else:
        written.content(path)
    return read_and_check(path, written.overrides)


def read_and_check(path: Path, overrides: list[str]) -> str:
    """``read``, or ``checked`` where the data are few enough to be looked at.

    Raises:
        CnnlibError: an error for people.
    """
    suite = load_suite(path, overrides)
    few = dict(list(suite.experiments.items())[:_MOST_RUNS])
    if not all(map(_is_small, few.values())) or suite.baseline not in few:
        return "read"
    check_suite(suite.model_copy(update={"experiments": few, "seeds": suite.seeds[:1]}), Path("runs"))
    return "checked"


def _is_small(config: Any) -> bool:
    options = config.dataset.options
    counts = [options.get(part, 0) for part in ("train", "val", "test") if isinstance(options.get(part), int)]
    start = config.start_from
    known = start is None or start.experiment is None
    return sum(counts) <= _MOST_SAMPLES and (options.get("size") or 1) <= _MOST_PIXELS and known


def _written(config: Any, overrides: list[str] | None = None) -> Written:
    return Written(yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(), overrides or [])


def _repeated(change: Callable[[Any, random.Random], Any]) -> Callable[[Any, random.Random], Written]:
    """One to three such changes, one after the other."""

    def changed(config: Any, rng: random.Random) -> Written:
        for _ in range(rng.choice([1, 1, 2, 3])):
            if isinstance(config, dict):
                config = change(config, rng)
        return _written(config)

    return changed


def _any(config: Any, rng: random.Random, wanted: Callable[[Any], bool] = lambda _: True) -> Place:
    found = [place for place in places(config) if place and wanted(at(config, place))]
    return rng.choice(found or [place for place in places(config) if place] or [()])


def _without(config: Any, rng: random.Random) -> Any:
    place = _any(config, rng)
    if place:
        del at(config, place[:-1])[place[-1]]
    return config


def _other_type(config: Any, rng: random.Random) -> Any:
    return placed(config, _any(config, rng), copy.deepcopy(rng.choice(VALUES)))


def _other_number(config: Any, rng: random.Random) -> Any:
    place = _any(config, rng, lambda value: isinstance(value, int | float))
    return placed(config, place, rng.choice(NUMBERS))


def _near_number(config: Any, rng: random.Random) -> Any:
    """One of the same type, which may be sound."""
    place = _any(config, rng, lambda value: isinstance(value, int | float))
    value = at(config, place)
    if isinstance(value, bool):
        return placed(config, place, not value)
    if isinstance(value, float):
        return placed(config, place, value * rng.choice([0.0, 0.01, 0.5, 2.0, 100.0, 1e6]))
    value = value if isinstance(value, int) else 1
    return placed(config, place, max(0, rng.choice([value - 1, value + 1, 2 * value, 7 * value, 0, 1, 2, 3])))


def _other_component(config: Any, rng: random.Random) -> Any:
    """Another of the same table."""
    key = rng.choice(
        ["model", "optimizer", "schedule", "weighting", "predictions", "augmentations", "dataset", "tasks"]
    )
    table = load_tables()[{"augmentations": "augmentation", "tasks": "task"}.get(key, key)]
    name = rng.choice(list(table))
    if key == "tasks":
        tasks = config.get(key) if isinstance(config.get(key), dict) else {}
        losses = list(load_tables()["loss"])
        config[key] = {**tasks, name: {"loss": rng.choice(losses)} if rng.random() < 0.5 else {}}
    else:
        config[key] = [name] if key == "augmentations" else {"name": name}
    return config


def _other_text(config: Any, rng: random.Random) -> Any:
    return placed(config, _any(config, rng, lambda value: isinstance(value, str)), rng.choice(TEXTS))


def _other_name(config: Any, rng: random.Random) -> Any:
    """Of a component: code from outside, or another that there is."""
    named = [
        place
        for place in places(config)
        if place and place[-1] in ("name", "loss", "kind", "encoder", "decoder")
    ]
    texts = [at(config, place) for place in named]
    known = [each for each in texts if isinstance(each, str)] or ["bce"]
    section = (rng.choice(["model", "optimizer", "schedule", "weighting", "predictions", "dataset"]),)
    place = rng.choice([*named, section])
    return placed(config, place, rng.choice([*OUTSIDE, *known, rng.choice(known)[::-1]]))


def _other_key(config: Any, rng: random.Random) -> Any:
    place = _any(config, rng, lambda value: isinstance(value, dict))
    node = at(config, place) if isinstance(at(config, place), dict) else config
    if node and rng.random() < 0.3:  # renamed
        old = rng.choice(list(node))
        node[rng.choice([old + "s", old[:-1], *KEYS, *TEXTS])] = node.pop(old)
    else:
        node[rng.choice([*KEYS, *TEXTS])] = copy.deepcopy(rng.choice(VALUES))
    return config


def _moved(config: Any, rng: random.Random) -> Any:
    """What stands at one place, at another."""
    return placed(config, _any(config, rng), copy.deepcopy(at(config, _any(config, rng))))


def _more_sections(config: Any, rng: random.Random) -> Any:
    key = rng.choice(list(SECTIONS))
    if key == "start_from":  # else the first would start from itself
        config["experiments"] = {"a": {}, "b": {"start_from": copy.deepcopy(SECTIONS[key])}}
        return config
    config[key] = copy.deepcopy(SECTIONS[key])
    inside = [place for place in places(config) if place[:1] == (key,) and len(place) > 1] or [(key,)]
    return (
        config
        if rng.random() < 0.3
        else placed(config, rng.choice(inside), copy.deepcopy(rng.choice(VALUES)))
    )


def _pattern(config: Any, rng: random.Random) -> Written:
    """Searched in names of files for which some take for ever."""
    folders = {"root": ".", "inputs": {"image": "photo"}, "targets": {"mask": "mask"}, "size": 16}
    config["dataset"] = {"name": "folders", **folders, "group_pattern": rng.choice(PATTERNS)}
    content = _written(config).content

    def write(path: Path) -> None:
        for name in ("a" * 100 + "b", "c_1", "d_2", "e_3", "img_4"):
            save(photo(1), path.parent / "photo" / f"{name}.png")
            save(disc(), path.parent / "mask" / f"{name}.png")
        path.write_bytes(content)

    return Written(write, [])


def _many(config: Any, rng: random.Random) -> Written:
    """Experiments, grids and seeds beyond what anybody runs."""
    count = rng.choice([10, 100, 1000, 12_000])
    how = rng.randrange(4)
    if how == 0:
        keys = rng.sample(
            ["dataset.seed", "training.epochs", "training.batch_size", "optimizer.learning_rate"], 3
        )
        config["grid"] = {key: list(range(1, 1 + rng.choice([1, 5, 10, 1000]))) for key in keys}
    elif how == 1:
        config["seeds"] = list(range(count))
    elif how == 2:
        config["experiments"] = {f"e{index}": {"dataset.seed": index} for index in range(count)}
    else:
        config["experiments"] = {
            f"e{index}": {"start_from": {"run": f"e{(index + rng.choice([-1, 1])) % count}"}}
            for index in range(count)
        }
    config.pop("baseline", None)
    return Written(json.dumps(config).encode(), [])  # which is YAML too, and quicker to write


def _broken_text(config: Any, rng: random.Random) -> Written:
    """Characters put in, left out and written twice."""
    text = _written(config).content.decode()
    for _ in range(rng.choice([1, 1, 2, 4])):
        start, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        gaps = [index + 1 for index, character in enumerate(text) if character in "\n: "] or [0]
        gap = rng.choice(gaps)
        text = rng.choice(
            [
                text[:gap] + rng.choice(PIECES) + text[gap:],
                text[:start] + text[min(end, start + 20) :],
                text[:end] + text[start:],
                text[:start],
            ]
        )
    return Written(text.encode("utf-8", "surrogatepass"), [])


def _aliases(config: Any, rng: random.Random) -> Written:
    """Text that stands for more than it is."""
    levels, times = rng.choice([1, 2, 5, 9, 30]), rng.choice([1, 2, 9])
    if rng.random() < 0.5:
        lines = [
            "a0: &a0 [x]",
            *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * times)}]" for i in range(1, levels)),
        ]
    else:
        merged = (
            f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * times)}], y{i}: 1}}" for i in range(1, levels)
        )
        lines = ["a0: &a0 {x: 1}", *merged]
    where = rng.choice(["grid", "experiments", "dataset", "tasks", "model", "x"])
    config.pop(where, None)
    text = _written(config).content.decode()
    return Written("\n".join([text, *lines, f"{where}: *a{levels - 1}"]).encode(), [])


def _overrides(config: Any, rng: random.Random) -> Written:
    keys = [*KEYS, *TEXTS, "0", "9" * 20, "a." * 3000]
    values = [
        *map(str, VALUES),
        *PIECES,
        "{name: tests.fuzz.trap.Trap}",
        "[{name: os.system, command: x}]",
    ]
    forms = ["{}={}", "{}={}", "{}={}", "{}", "={1}", "{}=", "{}=={}"]
    overrides = []
    for _ in range(rng.choice([1, 1, 2, 5])):
        path = [str(key) for key in _any(config, rng)]
        if rng.random() < 0.5:
            path.insert(rng.randrange(len(path) + 1), rng.choice(keys))
        overrides.append(rng.choice(forms).format(".".join(path), rng.choice(values)))
    return _written(config, overrides)


def _no_file(config: Any, rng: random.Random) -> Written:
    content = _written(config).content
    return Written(
        rng.choice(
            [
                os.mkfifo,
                os.mkdir,
                lambda path: path.symlink_to("/dev/zero"),
                lambda path: path.symlink_to(path),
                lambda path: path.symlink_to("nothing"),
                lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 10**10),
                b"",
                b"\xff\xfe" + content,
                b"\xef\xbb\xbf" + content,
                content.decode().encode("utf-16"),
                bytes(rng.randrange(256) for _ in range(200)),
                content[: len(content) // 2] + bytes([rng.randrange(256)]) + content[len(content) // 2 :],
                content * 2,
                b"\0" * 100,
            ]
        ),
        [],
    )


KINDS: dict[str, Callable[[Sections, random.Random], Written]] = {
    "left out": _repeated(_without),
    "of another type": _repeated(_other_type),
    "another number": _repeated(_other_number),
    "a near number": _repeated(_near_number),
    "another component": _repeated(_other_component),
    "another text": _repeated(_other_text),
    "another name": _repeated(_other_name),
    "another key": _repeated(_other_key),
    "a pattern": _pattern,
    "moved": _repeated(_moved),
    "more sections": _repeated(_more_sections),
    "very many": _many,
    "broken text": _broken_text,
    "aliases": _aliases,
    "overrides": _overrides,
    "no file of text": _no_file,
}
