"""tools/show_transforms.py: which sample, which experiment, and what it says of bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.half_labelled import has_label
from tests.tiny_suite import TINY, write_suite
from tools.show_transforms import main

HALF = {"name": "tests.half_labelled.HalfLabelled", "size": 32, "train": 8, "val": 4, "test": 4}


def show(folder: Path, *arguments: str, **changes: object) -> bytes:
    out = folder / "shown" / "transforms.png"
    assert main([str(write_suite(folder, **changes)), "--out", str(out), *arguments]) == 0
    return out.read_bytes()


def refusal(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, **changes: object) -> str:
    out = folder / "transforms.png"
    assert main([str(write_suite(folder, **changes)), "--out", str(out), *arguments]) == 2
    assert not out.exists()
    return capsys.readouterr().err


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    assert show(tmp_path) == show(tmp_path)
    assert show(tmp_path) != show(tmp_path, "--set", "seeds=[1]")
    with Image.open(tmp_path / "shown" / "transforms.png") as picture:
        assert min(picture.size) > 1000


def test_the_first_sample_with_most_labels_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show(tmp_path, dataset=HALF)
    labels = [sum(has_label(index, name) for name in TINY["tasks"]) for index in range(8)]
    assert labels.index(max(labels)) > 0
    assert f"sample train-{labels.index(max(labels)):05}" in capsys.readouterr().out


def test_a_sample_of_any_split_can_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(tmp_path, "--sample", "val-00002", "--draws", "1")
    assert "sample val-00002" in capsys.readouterr().out


def test_an_experiment_shows_its_own_augmentations(tmp_path: Path) -> None:
    experiments = {"few": {"augmentations": ["flip"]}, "many": {}}
    few, many = (
        show(tmp_path, "--experiment", name, experiments=experiments, baseline="few") for name in experiments
    )
    assert few != many
    assert few == show(tmp_path, experiments=experiments, baseline="few")


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (["--sample", "train-00003x"], {}, "no sample is named 'train-00003x' (did you mean 'train-00003'?)"),
        (["--experiment", "tinny"], {}, "no experiment is named 'tinny' (did you mean 'tiny'?)"),
        ([], {"augmentations": []}, "experiment 'tiny' has no augmentations"),
        ([], {"augmentations": ["flap"]}, "did you mean 'flip'?"),
        (["--set", "dataset.train=0"], {}, "its train split is empty"),
    ],
)
def test_bad_input_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    changes: dict[str, object],
    message: str,
) -> None:
    assert message in refusal(tmp_path, capsys, *arguments, **changes)


@pytest.mark.parametrize("arguments", [["--draws", "0"], ["--draws", "x"], ["--out", "a.jpg"]])
def test_bad_arguments_are_told(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["suite.yaml", *arguments])


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no.yaml")]) == 2
    assert "no.yaml" in capsys.readouterr().err
