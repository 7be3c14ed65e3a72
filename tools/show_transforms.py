"""Draws what each augmentation of a config does to a sample and its targets, as one picture.

python tools/show_transforms.py configs/scenes_all.yaml
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from cnnlib.assembly import ExperimentData, open_data
from cnnlib.augmentations import AUGMENTATIONS
from cnnlib.augmentations.before_and_after import Shown, before_and_after
from cnnlib.checks import did_you_mean
from cnnlib.config import ExperimentConfig, build, load_suite
from cnnlib.config.command_line import add_config, chosen_experiment
from cnnlib.datasets.splits import sample_info
from cnnlib.files import write_atomically
from cnnlib.types import CnnlibError, Sample

_MOST_DRAWS = 20


def main(arguments: list[str] | None = None) -> int:
    """0: the picture is there; 2: the config, the data or an argument is at fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--experiment", help="whose augmentations (the baseline's)")
    parser.add_argument("--sample", help="its name (the first training sample with most labels)")
    parser.add_argument("--draws", type=_draws, default=3, help="of each augmentation (3)")
    parser.add_argument(
        "--out", type=_png, default=Path("transforms.png"), help="the picture (transforms.png)"
    )
    options = parser.parse_args(arguments)
    try:
        name = show(
            options.config,
            options.overrides,
            options.experiment,
            options.sample,
            options.draws,
            options.out,
        )
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: sample {name}")
    return 0


def show(
    path: Path,
    overrides: Sequence[str],
    experiment: str | None,
    sample_name: str | None,
    draws: int,
    out: Path,
) -> str:
    """Writes the picture; returns the sample's name."""
    suite = load_suite(path, overrides)
    experiment = chosen_experiment(suite, experiment)
    config = suite.experiments[experiment]
    shown = _shown(config, experiment)
    data = open_data(config, suite.seeds[0])
    sample = _richest(data) if sample_name is None else _named(data, sample_name)
    torch.manual_seed(suite.seeds[0])
    title = f"{experiment}: sample {sample['name']}"
    picture = before_and_after(title, sample, data.source.inputs, data.tasks, shown, draws)
    file = io.BytesIO()
    picture.save(file, "PNG")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, file.getvalue())
    return sample["name"]


def _shown(config: ExperimentConfig, experiment: str) -> list[Shown]:
    """Each augmentation, and all of them together."""
    built = [build(component, AUGMENTATIONS) for component in config.augmentations]
    if not built:
        raise CnnlibError(
            f"experiment {experiment!r} has no augmentations; list some under augmentations, "
            "e.g. --set augmentations=[flip]"
        )
    alone = [
        Shown(component.name, _in_words(component.options), [augmentation])
        for component, augmentation in zip(config.augmentations, built, strict=True)
    ]
    return [*alone, Shown("all together", "in this order, as training draws them", built, must_act=False)]


def _in_words(options: Mapping[str, Any]) -> str:
    """As YAML has them: ``"degrees: 30, keep_points: true, p: 0.5"``."""
    return ", ".join(f"{name}: {json.dumps(value, default=str)}" for name, value in options.items())


def _richest(data: ExperimentData) -> Sample:
    """The first training sample with most labels; the first of all where the data set does not give labels."""
    source = data.train
    counts = [
        len(data.tasks.keys() & set(sample_info(source, "labels", index) or ()))
        for index in range(len(source))
    ]
    return source[counts.index(max(counts))]


def _named(data: ExperimentData, name: str) -> Sample:
    """Only its samples know how a data set names them, so they are read one by one."""
    names = []
    for split in (data.all_train, data.val, data.test):
        for index in range(len(split)):
            sample = split[index]
            if sample["name"] == name:
                return sample
            names.append(sample["name"])
    raise CnnlibError(f"no sample is named {name!r}{did_you_mean(name, names)}")


def _draws(text: str) -> int:
    value = int(text)
    if not 1 <= value <= _MOST_DRAWS:
        raise argparse.ArgumentTypeError(f"must be 1 to {_MOST_DRAWS}; it is {value}")
    return value


def _png(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"must end in .png; it is {text!r}")
    return path


if __name__ == "__main__":
    sys.exit(main())
