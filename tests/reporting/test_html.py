"""The page: everything on it, nothing from outside, and a folder that is not whole still makes one."""

from __future__ import annotations

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cnnlib.files import write_csv
from cnnlib.reporting.gallery import mean_scores
from cnnlib.reporting.html import write_report
from cnnlib.reporting.leaderboard import Leaderboard
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.templates import compact, number, percent
from cnnlib.tasks.class_counts import total
from tests.reporting.fake_suite import TARGETS, fail, write_suite
from tools import report as tool


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("runs") / "joint", images=10, size=16, persister="zip")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs" / "joint"))


class Page(HTMLParser):
    """Collects a page's text, its tags and what they refer to; fails where tags do not close in order."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.references: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(html)
        assert not self.open, self.open

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.references += [value for key, value in attributes if key in ("src", "href", "action") and value]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def html(folder: Path) -> str:
    return write_report(read_suite(folder)).read_text()


def page(folder: Path) -> Page:
    return Page(html(folder))


def test_the_page_holds_everything(folder: Path) -> None:
    found = page(folder)
    for words in (
        "joint 3 experiments, seeds 0, 1, 2",
        "mask/iou Highest: dice with",
        "Against the baseline bce",
        "The constant predictor gets 0.1000",
        "val/depth/mae",
        "The best three, three typical and the worst three of 10 test images by mask/iou",
        "brightest: 1 m or more",
        "How results spread",
        "11,033,922",
        "python tools/run_suite.py runs/joint/suite.yaml --out again",
        "python tools/run_suite.py runs/joint/dice/seed-2/config.yaml --out again",
        "tensorboard --logdir runs/joint",
    ):
        assert words in found.text
    assert found.text.count("best: mask/iou") == found.text.count("worst: mask/iou") == 3


def test_the_page_refers_to_nothing_outside(folder: Path) -> None:
    text = html(folder)
    assert all(reference.startswith("data:") for reference in Page(text).references)
    assert not re.search(r"url\(|@import|https?://", text)
    assert "default-src 'none'" in text


def test_the_same_folder_gives_the_same_page(folder: Path) -> None:
    assert html(folder) == html(folder)


def test_failures_are_shown_with_their_error(folder: Path) -> None:
    fail(folder, "l1", 1, "TrainingDivergedError: the loss became nan <b>here</b>")
    shutil.rmtree(folder / "l1" / "seed-2")
    found = page(folder)
    assert "l1, seed 1 failed: TrainingDivergedError: the loss became nan <b>here</b>" in found.text
    assert "l1, seed 2: not finished" in found.text


def test_a_suite_of_which_nothing_finished_is_still_a_page(folder: Path) -> None:
    for experiment in ("bce", "dice", "l1"):
        for seed in range(3):
            fail(folder, experiment, seed, "no data")
    found = page(folder)
    assert found.text.count("no data") == 9
    assert "Result on the test split" not in found.text
    assert "n/a" not in found.text


def test_names_from_outside_are_text(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "<script>x", experiments={"<img src=x>": 0.0}, seeds=(0,), images=2, size=8
    )
    text = html(folder)
    assert "<img src=x>" not in text
    assert "<script>x" not in text
    assert "<img src=x>" in Page(text).text


def test_without_predictions_the_rest_is_there(tmp_path: Path) -> None:
    found = page(write_suite(tmp_path / "s", images=3, size=8))
    assert "No run has kept its predictions" in found.text
    assert "What it cost" in found.text
    assert "of each test image" in found.text


@pytest.mark.parametrize(
    "missing", ["metrics.csv", "per_image.csv", "config.yaml", "data.json", "environment.json", "predictions"]
)
def test_a_missing_part_is_left_out(folder: Path, missing: str) -> None:
    for path in folder.glob(f"*/*/{missing}"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = page(folder)
    assert "Result on the test split" in found.text
    if missing not in ("environment.json", "predictions"):
        assert f"bce, seed 0: no {missing}" in found.text


def test_one_run_reads_well(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "l1_depth", experiments={"l1_depth": 0.0}, seeds=(0,), tasks=("depth",), images=2, size=8,
        persister="folder",
    )  # fmt: skip
    found = page(folder)
    assert "1 experiment, seed 0" in found.text
    assert "depth/mae l1_depth reaches 0." in found.text
    for words in ("±", "Holm", "baseline", "over seeds", "all experiments", "±", "Click a name"):
        assert words not in found.text


def test_one_seed_says_what_it_can_not(tmp_path: Path) -> None:
    found = page(write_suite(tmp_path / "s", experiments={"a": 0.0, "b": 3.0}, seeds=(0,), size=8))
    assert "better (this training run only): b" in found.text
    assert "another seed may turn it round" in found.text


def test_an_undefined_metric_is_not_a_number_on_the_page(folder: Path) -> None:
    for path in folder.glob("bce/*/result.json"):
        result = json.loads(path.read_text())
        result["test"] |= {"mask/iou": None, "mask/precision": None}
        path.write_text(json.dumps(result))
    found = page(folder)
    assert "n/a" in found.text
    assert "nan" not in found.text.split("Do it again")[0]


def test_the_tool_writes_page_and_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(folder), str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(folder / "report.html")] * 2
    assert (folder / "summary.csv").exists()


def test_the_tool_refuses_what_is_no_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(tmp_path)]) == 2
    assert "no suite.yaml" in capsys.readouterr().err


def test_seven_tasks_read_well(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "all", experiments={"net": 0.2}, seeds=(0,), tasks=tuple(TARGETS), images=4, size=16,
        persister="folder", unlabelled={"points": [0, 1, 2], "label": [3]},
    )  # fmt: skip
    found = page(folder)
    for words in (
        "label/accuracy net reaches",
        "Measured on 1 of the 4 test images: the others have no label for it.",
        "points: no label",
        "semantic: each class or point on its own (3 metrics)",
        "black: floor; red: wall; green: ball",
    ):
        assert words in found.text


def test_one_image_and_one_group_are_singular(tmp_path: Path) -> None:
    one = {"experiments": {"a": 0.4, "b": -0.5}, "seeds": (0,), "size": 16, "epochs": 1}
    text = page(write_suite(tmp_path / "one", images=1, persister="folder", **one)).text
    assert "of 1 test image by mask/iou" in text
    folder = write_suite(tmp_path / "group", images=3, **one)
    for path in folder.glob("*/*/per_image.csv"):
        rows = [{**row, "group": "room"} for row in csv.DictReader(path.read_text().splitlines())]
        write_csv(path, list(rows[0]), rows)
    assert "The 3 test images are of 1 group (such as one background)" in page(folder).text


def test_it_says_which_class_is_taken_for_which(tmp_path: Path) -> None:
    """Counted from the saved rows themselves, over all seeds; an image without a label is in no cell."""
    folder = write_suite(
        tmp_path / "s",
        experiments={"a": 0.4, "b": -0.5},
        seeds=(0, 1),
        tasks=("label",),
        images=12,
        size=16,
        persister="folder",
        unlabelled={"label": [3]},
    )
    text = html(folder)
    names = TARGETS["label"].names
    matrices = re.findall(r'<table class="matrix">.*?</table>', text, re.DOTALL)
    for experiment, matrix in zip(("a", "b"), matrices, strict=True):
        expected: dict[tuple[str, str], int] = {}
        for seed in (0, 1):
            saved = folder / experiment / f"seed-{seed}" / "predictions"
            found, truth = (
                {row["name"]: row["predicted"] for row in csv.DictReader(path.read_text().splitlines())}
                for path in (saved / "label.csv", saved / "truth" / "label.csv")
            )
            assert len(truth) == 11
            for name in truth:
                pair = truth[name], found[name]
                expected[pair] = expected.get(pair, 0) + 1
        told = re.findall(
            r"--share: ([\d.]+)\" title=\"(\w+) taken for (\w+): (\d+) images\">(\d+) <small>(.*?)<", matrix
        )
        assert {(true, other): int(count) for _, true, other, count, *_ in told} == expected
        for share, true, _, count, shown, words in told:
            whole = sum(size for (own, _), size in expected.items() if own == true)
            assert float(share) == pytest.approx(int(count) / whole, abs=6e-4)
            assert (shown, words) == (count, f"{100 * int(count) / whole:.0f} %")
        assert matrix.count("<td") == len(names) ** 2
    assert (
        "Class by class" not in page(write_suite(tmp_path / "t", images=4, size=16, persister="folder")).text
    )


def test_it_tells_precision_recall_and_calibration_of_each_class(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"a": 0.0}, seeds=(0, 1), tasks=("label", "semantic"), images=12, size=16
    )
    suite = read_suite(folder)
    text = page(folder).text
    for key, scores in (
        ("label", "precision recall f1 support"),
        ("semantic", "precision recall f1 iou support"),
    ):
        counts = total([run.by_class[key] for run in suite.runs])
        assert f"class {scores}" in text
        for index, name in enumerate(counts.names):
            values = [number(counts.score(score)[index]) for score in counts.scores]
            assert " ".join([name, *values, f"{counts.truth[index]:,}"]) in text
    ece = np.mean([run.test["label/ece"] for run in suite.runs])
    assert f"Calibration of the predicted class; ece {ece:.4f}" in text
    counts = total([run.by_class["label"] for run in suite.runs])
    filled = int((counts.reliability[:, 0] > 0).sum())
    assert html(folder).count('<rect class="bar"') == html(folder).count('<rect class="gap"') == filled


def test_a_run_from_before_counts_were_kept_has_no_such_section(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"a": 0.0}, seeds=(0,), tasks=("label",), images=4, size=16
    )
    path = folder / "a/seed-0/result.json"
    result = json.loads(path.read_text())
    path.write_text(json.dumps({key: value for key, value in result.items() if key != "by_class"}))
    assert "Class by class" not in page(folder).text


def test_every_task_has_its_best_and_worst_three(folder: Path) -> None:
    """By its own metric; those of the first metric show all tasks, the others theirs."""
    text = html(folder)
    assert "the best and the worst three by depth/mae" in text
    articles = re.findall(r'<article class="sample" data-sample="(.*?) \d">(.*?)</article>', text, re.DOTALL)
    assert [metric for metric, _ in articles] == ["mask/iou"] * 9 + ["depth/mae"] * 6
    suite = read_suite(folder)
    scores = mean_scores(suite.runs, "depth/mae")
    order = sorted(scores, key=scores.get)
    names = [re.search(r"<h3>(\S+) ", article)[1] for metric, article in articles if metric == "depth/mae"]
    assert names == [*order[:3], *order[::-1][:3]]
    for metric, article in articles:
        assert ("mask/iou" in article) == (metric == "mask/iou")
        assert "depth/mae" in article


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10k"),
        (12_345, "12.3k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (4_560_000, "4.56M"),
        (2 * 10**9, "2G"),
    ],
)
def test_large_counts_are_short(count: int, words: str) -> None:
    assert compact(count) == words


def test_shares_are_rounded_and_never_to_nothing_or_all() -> None:
    assert [percent(share) for share in (0, 0.001, 0.005, 0.5, 0.994, 0.999, 1)] == [
        "0 %",
        "<1 %",
        "0 %",
        "50 %",
        "99 %",
        ">99 %",
        "100 %",
    ]


def test_a_class_called_like_the_end_of_a_metric_hides_nothing(tmp_path: Path) -> None:
    folder = write_suite(tmp_path / "zoo", experiments={"one": 0.0}, seeds=(0,), tasks=("label", "semantic"))
    for path in folder.glob("*/*/data.json"):
        path.write_text(path.read_text().replace('"small"', '"f1"'))
    for path in folder.glob("*/*/result.json"):
        result = json.loads(path.read_text())
        result["test"]["label/macro_f1"] = result["constant"]["label/macro_f1"] = 0.5
        path.write_text(json.dumps(result))
    suite = read_suite(folder)
    board = Leaderboard.of(suite, {"one": 0})
    assert "label/macro_f1" in board.others["label"]
    assert set(board.of_names) == {"semantic"}


def test_where_points_are_off_is_drawn_on_their_mean_shape(tmp_path: Path) -> None:
    """A picture for each experiment, over all seeds; nothing for kinds without places."""
    folder = write_suite(
        tmp_path / "s",
        tasks=("points", "label"),
        experiments={"good": 0.9, "bad": 0.0},
        seeds=(0, 1),
        images=6,
        persister="folder",
    )
    text = html(folder)
    circles = {
        name: re.findall(
            r"<title>(\w+): ([\d.]+) %</title><circle class=\"error\" cx=\"[\d.]+\" cy=\"[\d.]+\" r=\"([\d.]+)",
            chart,
        )
        for name, chart in zip(
            ("good", "bad"), re.findall(r'<svg class="places".*?</svg>', text, re.DOTALL), strict=True
        )
    }
    for chart in circles.values():
        assert {name for name, _, _ in chart} == {"middle", "left", "right"}
    mean = {name: sum(float(radius) for *_, radius in chart) for name, chart in circles.items()}
    assert mean["bad"] > 5 * mean["good"] > 0
    shutil.rmtree(folder / "bad")
    for path in folder.glob("good/*/predictions/truth/points.csv"):
        path.unlink()
    assert "Where on the object" not in html(folder)
