"""Label Studio's exports: whose choice counts, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnlib.datasets import LabelStudio
from cnnlib.types import CnnlibError
from tests.datasets.pictures import photo, samples, save

LABELS = {"pronation": ["Pronacio"], "neutral": ["neutralis"], "supination": []}


def task(number: int, name: str, *choices: str, path: str = "/data/upload/1/") -> dict[str, Any]:
    """One image, and an annotation for each of the choices; an empty one has no result."""
    stored = f"{number:08x}-{name}"
    return {
        "id": number,
        "file_upload": stored,
        "data": {"image": path + stored},
        "annotations": [
            {
                "id": i,
                "was_cancelled": False,
                "result": [
                    {"type": "choices", "from_name": "c", "to_name": "i", "value": {"choices": [choice]}}
                ]
                if choice
                else [],
            }
            for i, choice in enumerate(choices)
        ],
    }


def export(path: Path, *tasks: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tasks))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two people with images of the same names, and a third folder of images that both labelled."""
    for seed, place in enumerate(
        ("anna/1", "anna/2", "anna/3", "bert/1", "bert/2", "bert/4", "all/7", "all/8", "all/9")
    ):
        save(photo(seed), tmp_path / f"{place}.png")
    export(
        tmp_path / "anna" / "labels.json",
        task(1, "1.png", "Pronacio"),
        task(2, "2.png", "neutral", path="C:\\data\\"),
        task(3, "3.png", ""),
    )
    export(
        tmp_path / "bert" / "labels.json",
        task(4, "1.png", "supination"),
        task(5, "2.png", "NEUTRALIS"),
        task(6, "4.png", "neutral", "neutral", "Pronacio"),
    )
    export(
        tmp_path / "all" / "labels.json",
        task(7, "7.png", "neutral", "supination", "neutral"),
        task(8, "8.png", "pronation", "pronation"),
        task(9, "9.png", "neutral", "supination"),
    )
    return tmp_path


def classes(data: LabelStudio, part: str | None = None) -> dict[str, str]:
    names = data.targets["label"].names
    split = samples(data) if part is None else [data.split(part)[i] for i in range(len(data.split(part)))]
    return {sample["name"]: names[sample["label"].value] for sample in split}


def test_the_majority_decides_and_ties_are_reported(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = LabelStudio(str(root), labels=LABELS)
    data.check()
    assert classes(data) == {
        "anna/1": "pronation",
        "anna/2": "neutral",
        "bert/1": "supination",
        "bert/2": "neutral",
        "bert/4": "neutral",
        "all/7": "neutral",
        "all/8": "pronation",
    }
    told = capsys.readouterr().err
    assert "all/9" in told  # a tie
    assert "anna/3" in told  # an empty result


def test_the_consensus_images_are_the_test_set(root: Path) -> None:
    data = LabelStudio(
        str(root), exports="*/labels.json", labels=LABELS, consensus="all/labels.json", val=0.3
    )
    data.check()
    assert classes(data, "test") == {"all/7": "neutral", "all/8": "pronation"}
    assert set(classes(data)) == {"anna/1", "anna/2", "bert/1", "bert/2", "bert/4", "all/7", "all/8"}


def test_an_unknown_spelling_is_refused(root: Path) -> None:
    export(root / "anna" / "labels.json", task(1, "1.png", "pronatoin"))
    with pytest.raises(CnnlibError, match="pronatoin"):
        LabelStudio(str(root), labels=LABELS)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"a": 3}', "[[]]", "null", "\0", '[{"id": 1}]'])
def test_a_damaged_export_is_an_error_or_left_out(root: Path, content: str) -> None:
    (root / "anna" / "labels.json").write_text(content)
    try:
        data = LabelStudio(str(root), labels=LABELS)
        data.check()
    except CnnlibError:
        return
    assert not any(name.startswith("anna/") for name in classes(data))
