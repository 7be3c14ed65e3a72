"""The page in headless Chromium, at a desk's width and a telephone's."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator

import numpy as np
import pytest

from cnnlib.reporting.html import write_report
from cnnlib.reporting.results import read_suite
from tests.reporting.fake_family import record_start
from tests.reporting.fake_suite import add_history, fail, write_suite

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LONG = "a_task_of_a_name_that_is_too_long_for_any_line_" * 3
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on the PATH: install it to test the report's page"
    ),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_suite(
        tmp_path_factory.mktemp("runs") / "joint",
        tasks=("mask", "depth", "label"),
        images=10,
        size=16,
        persister="folder",
    )
    fail(folder, "l1", 2, "TrainingDivergedError: " + "a_word_too_long_for_any_line_" * 8)
    for seed in (0, 1, 2):
        (folder / "bce" / f"seed-{seed}" / "checkpoints").mkdir()
        (folder / "bce" / f"seed-{seed}" / "checkpoints" / "best.ckpt").touch()
        record_start(folder / "dice" / f"seed-{seed}", "bce")
    weights = {"weighting/mask": np.geomspace(1, 200, 8), f"weighting/{LONG}": np.linspace(1, 2, 8)}
    conflict = {f"weighting/cosine/mask-{LONG}": np.linspace(0.1, -0.1, 8)}
    add_history(folder, "dice", 0, weights | conflict)
    return write_report(read_suite(folder)).as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def page(request: pytest.FixtureRequest, browser: object, address: str) -> Iterator[object]:
    """The page, opened; whatever it complains about or asks the network for fails the test."""
    page = browser.new_page(viewport={"width": request.param, "height": 844})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda one: None if one.url.startswith("data:") else complaints.append(one.url))
    page.goto(address)
    yield page
    assert complaints == [address]
    page.close()


def test_the_page_does_not_scroll_sideways(page: object) -> None:
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]


def test_every_picture_is_shown(page: object) -> None:
    broken = page.evaluate("[...document.querySelectorAll('main img')].filter(i => !i.naturalWidth).length")
    assert page.locator("main img").count() > 50
    assert broken == 0


def test_every_picture_has_an_outline(page: object) -> None:
    """A white mask on a white page would look like a missing picture."""
    outlines = "[...document.querySelectorAll('img')].map(i => getComputedStyle(i).outlineStyle)"
    assert set(page.evaluate(outlines)) == {"solid"}


def test_a_click_sorts_the_table(page: object) -> None:
    rows = "[...document.querySelectorAll('.leaderboard tbody tr:not(.constant)')]"
    values = f"{rows}.map(row => +row.cells[1].dataset.value)"
    names = "[...document.querySelectorAll('.leaderboard tbody tr')].map(r => r.cells[0].innerText.trim())"
    assert page.evaluate(values) == sorted(page.evaluate(values), reverse=True)  # best first, to begin with
    page.locator(".leaderboard thead button", has_text="mask/iou").click()
    assert page.evaluate(values) == sorted(page.evaluate(values))
    page.locator(".leaderboard thead button", has_text="experiment").click()
    assert page.evaluate(names) == ["bce", "dice", "l1", "constant"]
    page.locator(".leaderboard thead button", has_text="experiment").click()
    assert page.evaluate(names) == ["l1", "dice", "bce", "constant"]


def test_one_image_at_a_time_or_all(page: object) -> None:
    shown = page.locator(".sample:visible")
    assert shown.count() == 1
    page.locator(".chooser button").nth(8).click()
    assert shown.count() == 1
    assert "worst" in shown.locator("h3").inner_text()
    page.locator(".choices").nth(1).locator("button").first.click()
    assert shown.count() == 1
    assert "best: depth/mae" in shown.locator("h3").inner_text()
    page.get_by_text("show all", exact=True).click()
    assert shown.count() == 9 + 2 * 6


def test_a_picture_can_be_enlarged(page: object) -> None:
    page.locator(".sample:visible .tiles img").first.click()
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    assert "input: bg" in dialog.inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_the_legend_hides_curves(page: object) -> None:
    dice = page.locator(".series.s1 .line").first
    assert dice.is_visible()
    page.locator(".legend button", has_text="dice").click()
    assert not dice.is_visible()
    page.locator(".legend [data-all]").click()
    assert page.locator("#curves .series:visible").count() == 0
    assert page.locator("#weightings .series:visible").count() == 2 + 1  # a colour is no experiment there
    page.locator(".legend [data-all]").click()
    assert dice.is_visible()


def test_tasks_are_told_apart_by_colour_and_not_taken_for_experiments(page: object) -> None:
    colours = "(where) => [...document.querySelectorAll(where)].map(one => getComputedStyle(one).stroke)"
    tasks = page.evaluate(colours, "#weightings .charts:not(.cosines) .line")
    pair = page.evaluate(colours, "#weightings .cosines .line")
    experiments = page.evaluate(colours, "#curves .line")
    assert len(tasks) == len({*tasks}) == 2
    assert pair == tasks
    assert not {*tasks} & {*experiments}
    keys = "[...document.querySelectorAll('.keys .key')].map(k => getComputedStyle(k.firstChild).backgroundColor)"
    assert page.evaluate(keys) == tasks


def test_paper_shows_every_image(page: object) -> None:
    page.emulate_media(media="print")
    assert page.locator(".sample:visible").count() == 9 + 2 * 6
    assert page.locator(".chooser").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_confusion_matrix_is_a_heat_map_that_can_be_read(page: object, scheme: str) -> None:
    """Its colours follow the share, and its numbers contrast with them (WCAG's 4.5) on white and on black."""
    page.emulate_media(color_scheme=scheme)
    cells = page.evaluate("""() => {
      const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
      const rgb = (color) => {
        canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      return [...document.querySelectorAll(".matrix td")].map((cell) => {
        const style = getComputedStyle(cell);
        return [style.getPropertyValue("--share"), rgb(style.color), rgb(style.backgroundColor), cell.className];
      });
    }""")
    assert len(cells) == 3 * 9
    paper = next(back for share, _, back, _ in cells if float(share) == 0)
    for kind in ("right", "wrong"):
        own = sorted((float(share), math.dist(back, paper)) for share, _, back, name in cells if kind in name)
        assert [distance for _, distance in own] == sorted(distance for _, distance in own)
        assert own[-1][1] > 20
    assert min(_contrast(ink, back) for _, ink, back, _ in cells) > 4.5


def _contrast(one: list[int], other: list[int]) -> float:
    darker, lighter = sorted(_luminance(color) for color in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: list[int]) -> float:
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
