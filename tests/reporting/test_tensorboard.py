"""What is logged, as TensorBoard's own reader finds it."""

from __future__ import annotations

import io
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from cnnlib.metrics.label import LabelMetrics
from cnnlib.reporting.class_pictures import confusion_picture, reliability_picture
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.tensorboard import PanelSink, TensorBoardLogger, chart_layout, write_layout
from cnnlib.tasks import LabelTask, MaskTask
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.types import MetricLogger, Predicted, PredictionSink, Target, TargetInfo
from tests.reporting.fake_suite import add_history, write_suite


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def test_scalars_and_pictures(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    assert isinstance(logger, MetricLogger)
    picture = torch.randint(0, 256, (3, 5, 7), dtype=torch.uint8)
    logger.log_scalars({"epoch": 1, "val/mask/iou": 0.5, "learning_rate": 0.1}, 1)
    logger.log_scalars({"epoch": 2, "val/mask/iou": 0.75, "learning_rate": 0.05}, 2)
    logger.log_picture("panels/a", picture, 2)
    logger.close()
    found = read(tmp_path)
    assert set(found.Tags()["scalars"]) == {"val/mask/iou", "learning_rate"}
    assert [(event.step, event.value) for event in found.Scalars("val/mask/iou")] == [(1, 0.5), (2, 0.75)]
    (image,) = found.Images("panels/a")
    shown = np.array(Image.open(io.BytesIO(image.encoded_image_string)))
    np.testing.assert_array_equal(shown, picture.permute(1, 2, 0))


def test_scalars_are_there_before_the_run_ends(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    logger.log_scalars({"val/loss": 0.5}, 1)
    assert read(tmp_path).Scalars("val/loss")[0].value == 0.5
    logger.close()


def test_a_resumed_run_replaces_what_it_does_again(tmp_path: Path) -> None:
    first = TensorBoardLogger(tmp_path, purge_step=1)
    for step in (1, 2, 3):
        first.log_scalars({"val/loss": float(step)}, step)
    first.close()
    again = TensorBoardLogger(tmp_path, purge_step=3)
    again.log_scalars({"val/loss": 30.0}, 3)
    again.log_scalars({"val/loss": 40.0}, 4)
    again.close()
    events = read(tmp_path).Scalars("val/loss")
    assert [(event.step, event.value) for event in events] == [(1, 1.0), (2, 2.0), (3, 30.0), (4, 40.0)]


def test_hparams_stand_in_the_runs_own_file(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path, purge_step=1)
    logger.log_scalars({"val/loss": 0.5}, 1)
    logger.log_hparams({"optimizer.learning_rate": 0.1, "model.name": "resunet"}, {"test/mask/iou": 0.75})
    logger.close()
    assert [path.is_file() for path in tmp_path.iterdir()] == [True]
    found = read(tmp_path)
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert started.hparams["optimizer.learning_rate"].number_value == 0.1
    assert started.hparams["model.name"].string_value == "resunet"
    assert found.Scalars("test/mask/iou")[0].value == 0.75
    assert found.Scalars("val/loss")[0].value == 0.5


def test_the_first_panels_of_an_epoch_are_shown(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    sink = PanelSink(logger, {"mask": MaskTask(TargetInfo("mask"))}, {"image": 3}, step=3, count=2)
    assert isinstance(sink, PredictionSink)
    for name in ("a", "b", "c"):
        mask = torch.rand(1, 8, 8)
        target = Target((mask > 0.5).float(), torch.ones_like(mask, dtype=torch.bool))
        sink.write(Predicted(name, torch.rand(3, 8, 8), {"mask": mask}, {"mask": target}))
    sink.close()
    logger.close()
    found = read(tmp_path)
    assert found.Tags()["images"] == ["panels/a", "panels/b"]
    (image,) = found.Images("panels/a")
    assert image.step == 3
    assert image.width > 4 * 128


def counts_of(names: tuple[str, ...], found: list[int], truth: list[int]) -> ClassCounts:
    task, metric = LabelTask(TargetInfo("label", names=names)), LabelMetrics(len(names))
    pred = 0.9 * torch.nn.functional.one_hot(torch.tensor(found), len(names)) + 0.1 / len(names)
    metric.update(pred, torch.tensor(truth), torch.ones(len(truth), dtype=torch.bool), (8, 8))
    return task.class_counts(metric)


def test_classes_are_pictures_on_the_test_split(tmp_path: Path) -> None:
    """Of several classes at once there is no confusion matrix, of pixels no calibration."""
    counts = counts_of(("a", "b", "c"), [0, 1, 2, 2], [0, 1, 2, 1])
    logger = TensorBoardLogger(tmp_path)
    several, pixels = replace(counts, pairs=()), replace(counts, bins=())
    logger.log_classes({"animal": counts, "several": several, "pixels": pixels}, 7)
    logger.close()
    found = read(tmp_path)
    tags = [
        "test/animal/confusion",
        "test/animal/calibration",
        "test/several/calibration",
        "test/pixels/confusion",
    ]
    assert found.Tags()["images"] == tags
    for tag, draw in zip(tags, (confusion_picture, reliability_picture), strict=False):
        (image,) = found.Images(tag)
        assert image.step == 7
        shown = np.array(Image.open(io.BytesIO(image.encoded_image_string)))
        np.testing.assert_array_equal(shown, draw(counts).permute(1, 2, 0))


@pytest.mark.parametrize("classes", [2, 16, 60])
def test_a_heat_map_is_darkest_where_all_of_a_class_are(classes: int) -> None:
    """Every second class is right, the others are all taken for the first, so its column and half the diagonal are."""
    names = tuple(f"class {index}" for index in range(classes))
    found = [index if index % 2 == 0 else 0 for index in range(classes)]
    picture = confusion_picture(counts_of(names, found, list(range(classes)))).permute(1, 2, 0)
    dark = (picture == torch.tensor([8, 48, 107])).all(-1)
    light = (picture == torch.tensor([247, 251, 255])).all(-1)
    cells = dark.sum() / (dark | light).sum()
    assert float(cells) == pytest.approx(1 / classes, rel=0.35)  # the numbers cover some of it
    left, right = dark.tensor_split(2, dim=1)
    assert left.sum() > right.sum()
    assert max(picture.shape) <= 1700


def test_a_chart_matches_its_tag_alone() -> None:
    layout = chart_layout(["train/loss", "val/loss", "val/mask/iou"])
    assert {category: list(charts) for category, charts in layout.items()} == {
        "loss": ["train/loss", "val/loss"],
        "mask": ["val/mask/iou"],
    }
    assert layout["mask"]["val/mask/iou"] == ["Multiline", ["^val/mask/iou$"]]


def test_weights_share_a_chart_and_so_do_cosines() -> None:
    """Each chart's expressions match its own tags and no others, whatever a task is called."""
    weights = ["weighting/a.b", "weighting/cosine", "weighting/axb (2)"]
    cosines = ["weighting/cosine/a.b-cosine", "weighting/cosine/axb (2)-a.b"]
    conflicts = ["weighting/conflict/a.b-cosine", "weighting/conflict/axb (2)-a.b"]
    tags = [*weights, *cosines, *conflicts, "val/axb (2)/iou", "val/weighting/iou"]
    layout = chart_layout(tags)
    charts = layout["weighting"] | layout["axb (2)"]
    own = {
        "weights": weights,
        "cosines": cosines,
        "conflicts": conflicts,
        **{tag: [tag] for tag in tags[-2:]},
    }
    assert charts.keys() == own.keys()
    for title, (kind, patterns) in charts.items():
        assert kind == "Multiline"
        assert [tag for tag in tags if any(re.match(pattern, tag) for pattern in patterns)] == own[title]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_suite(
        tmp_path_factory.mktemp("board") / "s", experiments={"a": 0.0, "b": 0.1}, seeds=(0,), images=2, size=8
    )
    for name in ("a", "b"):
        logger = TensorBoardLogger(folder / name / "seed-0", purge_step=1)
        weights = {"weighting/mask": 0.25, "weighting/depth": 4.0}
        logger.log_scalars({"val/mask/iou": 0.5, "val/mask/iou_low": 0.1} | weights, 1)
        add_history(folder, name, 0, {tag: [value] * 8 for tag, value in weights.items()})
        logger.log_hparams({"seed": 0, "tasks.mask.loss": name}, {"test/mask/iou": 0.5})
        logger.close()
    for _ in range(2):
        write_layout(read_suite(folder))
    return folder


def test_the_layout_is_written_once(suite: Path) -> None:
    assert len(list(suite.glob("events.out.tfevents.*"))) == 1


@pytest.mark.filterwarnings("ignore")  # TensorBoard's server is not ours to keep quiet
def test_tensorboard_shows_all_runs_on_one_chart_a_metric(suite: Path) -> None:
    """Its own server, asked over HTTP as its page asks it."""
    from tensorboard import default, program
    from werkzeug.serving import make_server

    board = program.TensorBoard(plugins=default.get_plugins())
    board.configure(logdir=str(suite), load_fast="false", reload_interval=1)
    application = _application(board)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(path: str, question: dict[str, object] | None = None) -> object:
        address = f"http://127.0.0.1:{server.server_port}/data/{path}"
        body = json.dumps(question).encode() if question else None
        request = Request(address, body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=20) as answer:
            return json.load(answer)

    try:
        runs = ask("runs")
        assert {"a/seed-0", "b/seed-0"} <= set(runs)
        layout = ask("plugin/custom_scalars/layout")
        charts = {
            chart["title"]: chart["multiline"]["tag"] for one in layout["category"] for chart in one["chart"]
        }
        assert {"val/mask/iou", "val/depth/mae", "train/loss"} <= set(charts)
        for run in ("a/seed-0", "b/seed-0"):
            answer = ask(f"plugin/custom_scalars/scalars?run={run}&tag={charts['val/mask/iou'][0]}")
            assert list(answer["tag_to_events"]) == ["val/mask/iou"]
        shown = [ask(f"plugin/custom_scalars/scalars?run=a/seed-0&tag={tag}") for tag in charts["weights"]]
        assert [list(one["tag_to_events"]) for one in shown] == [["weighting/mask"], ["weighting/depth"]]
        table = ask("plugin/hparams/experiment", {"experimentName": "", "includeMetrics": True})
        assert [column["name"] for column in table["hparamInfos"]] == [
            "tasks.mask.loss",
            "seed",
        ]  # what differs, first
        assert "test/mask/iou" in [column["name"]["tag"] for column in table["metricInfos"]]
    finally:
        server.shutdown()
        server.server_close()


def _application(board: object) -> object:
    """TensorBoard's web application, with the event files read."""
    from tensorboard.backend import application
    from tensorboard.backend.event_processing import data_ingester

    ingester = data_ingester.LocalDataIngester(board.flags)
    ingester._multiplexer.AddRunsFromDirectory(board.flags.logdir)
    ingester._multiplexer.Reload()
    return application.TensorBoardWSGIApp(
        board.flags,
        board.plugin_loaders,
        ingester.data_provider,
        board.assets_zip_provider,
        ingester.deprecated_multiplexer,
    )
