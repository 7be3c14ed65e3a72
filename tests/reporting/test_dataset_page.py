"""The page about a data set: what it counts, what it shows of odd names, and how it fits a narrow screen."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnnlib.reporting.dataset_page import (
    Channel,
    class_counts,
    find_copies,
    most_common,
    render_dataset,
    summarise,
)
from tests.reporting.test_browser import CHROMIUM, FLAGS

ROWS: list[dict[str, Any]] = [
    {
        "split": ("train", "train", "val", "test")[number % 4],
        "name": f"<b>{number}</b>" + "x" * (60 * (number == 0)),
        "group": str(number // 2),
        "stored": f"{100 + number} x 80",
        "mode": "JPEG RGB",
        "labels": "animal depth" if number % 3 else "animal",
        "sha256": "same" if number in (1, 3) else "twice" if number in (4, 8) else str(number),
        "animal/class": ("cat", "dog", "<i>panda</i>")[number % 3],
        "depth/nearest": float(number) if number % 3 else math.nan,
    }
    for number in range(24)
]


def page(**changes: Any) -> str:
    sheet = io.BytesIO()
    Image.new("RGB", (900, 300)).save(sheet, "PNG")
    given = {
        "name": "my <data>",
        "facts": {"inputs": "image"},
        "rows": ROWS,
        "channels": [Channel("image red", 0.4, 0.2)],
        "problems": [],
        "sheet": sheet.getvalue(),
        "command": "python tools/inspect_dataset.py a.yaml",
    }
    return render_dataset(**given | changes)


def test_what_follows_from_the_rows() -> None:
    assert [[row["name"] for row in rows] for rows in find_copies(ROWS)] == [
        ["<b>1</b>", "<b>3</b>"],
        ["<b>4</b>", "<b>8</b>"],
    ]
    assert class_counts(ROWS, "animal/class")["dog"] == {"train": 4, "val": 2, "test": 2}
    found = summarise(ROWS, "depth/nearest")["val"]
    numbers = [number for number in range(24) if number % 4 == 2 and number % 3]
    assert (found.count, found.least, found.most) == (len(numbers), min(numbers), max(numbers))
    assert found.mean == pytest.approx(sum(numbers) / len(numbers))
    assert most_common(ROWS, "mode") == [("JPEG RGB", 24)]
    assert most_common([{"width": 3, "height": 4}, {}], "size") == [("3 x 4", 1)]


def test_the_page_names_what_is_wrong_and_escapes_what_it_shows() -> None:
    shown = page(problems=[f"broken <{number}>" for number in range(20)])
    assert "The same picture is in two splits, so that the test measures memory: 1 picture." in shown
    assert "1 picture twice or more within one split" in shown
    assert "broken &lt;11&gt;" in shown
    assert "And 8 more." in shown
    assert "12 others" in shown  # of 24 sizes
    assert "&lt;i&gt;panda&lt;/i&gt;" in shown
    assert "<i>panda" not in shown
    assert "<b>1</b>" not in shown
    assert "No problem was found" not in shown


def test_a_data_set_without_targets_files_or_problems() -> None:
    rows = [{"split": "train", "name": "a", "width": 8, "height": 8}]
    shown = page(rows=rows)
    assert "No problem was found" in shown
    assert "8 x 8" in shown
    assert 'id="targets"' not in shown


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on the PATH")
@pytest.mark.parametrize("width", [390, 1240])
def test_the_page_fits_the_screen(tmp_path: Path, width: int) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = tmp_path / "index.html"
    path.write_text(page(problems=["a_word_too_long_for_any_line_" * 8]), encoding="utf-8")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        view = browser.new_page(viewport={"width": width, "height": 800})
        said: list[str] = []
        view.on("console", lambda message: said.append(message.text))
        view.goto(path.as_uri())
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        assert view.locator("img.sheet").evaluate("image => image.naturalWidth") == 900
        assert said == []
        browser.close()
