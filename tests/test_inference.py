"""Predicting new images with a trained run."""

from __future__ import annotations

import json
import re
from csv import DictReader
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor, nn

from cnnlib.datasets import Boxes
from cnnlib.inference import TrainedRun, load_run
from cnnlib.tasks import BoxTask, MaskTask, PointsTask
from cnnlib.types import CnnlibError, Fit, Split, TargetInfo
from cnnlib.video_files import frame_rate, read_frames
from tests.tiny_suite import write_suite
from tools.predict import main
from tools.run_suite import main as run_suite


class Sees(nn.Module):
    """Finds the bright rectangle in the picture that it is shown, and says so in raw outputs."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        self.shown = image
        light = image[:, 0]
        (left, right), (upper, lower) = (_bar(light.amax(axis)[0]) for axis in (1, 2))
        height, width = light.shape[-2:]
        middle = torch.tensor([(left + right) / 2 / width, (upper + lower) / 2 / height])
        extent = torch.tensor([(right - left) / width, (lower - upper) / height])
        return {
            "box": torch.cat([middle, extent])[None].logit(),
            "points": (middle - 0.5)[None],  # shares of the picture, from its middle
            "mask": 60 * (light[:, None] - 0.5),
            "depth": light[:, None],
        }


def _bar(profile: Tensor) -> tuple[float, float]:
    """Where it begins and ends: from its middle and the sum of its light."""
    places = torch.arange(len(profile)) + 0.5
    length, middle = float(profile.sum()), float((profile * places).sum() / profile.sum())
    return middle - length / 2, middle + length / 2


def seeing(fit: Fit, size: int | None) -> TrainedRun:
    """A run of which what it predicts is known."""
    tasks = {
        "box": BoxTask(TargetInfo("box")),
        "points": PointsTask(TargetInfo("points", names=("middle",)), head="coordinates"),
        "mask": MaskTask(TargetInfo("mask")),
    }
    return TrainedRun(None, tasks, Sees(), {"image": 3}, size, fit, Fabric(accelerator="cpu"))


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("shape", [(96, 61), (61, 96), (40, 128), (90, 90), (33, 50), (300, 224)])
def test_predictions_come_back_to_the_pixels_of_the_picture(fit: Fit, shape: tuple[int, int]) -> None:
    """To half a pixel, where the net sees it at half of its size or at more."""
    picture = np.zeros((*shape, 3), np.uint8)
    left, upper, right, lower = shape[1] // 5, shape[0] // 3, shape[1] * 4 // 5, shape[0] - 4
    picture[upper:lower, left:right] = 255
    found = seeing(fit, max(shape) // 2 + 7).predict(Image.fromarray(picture))
    torch.testing.assert_close(
        found["box"], torch.tensor([left, upper, right, lower]).float(), atol=0.5, rtol=0
    )
    middle = torch.tensor([(left + right) / 2 - 0.5, (upper + lower) / 2 - 0.5])
    torch.testing.assert_close(found["points"][0, :2], middle, atol=0.5, rtol=0)
    assert found["mask"].shape == (1, *shape)
    wrong = (found["mask"][0] > 0.5) != torch.from_numpy(picture[..., 0] > 0)
    rows, columns = wrong.nonzero(as_tuple=True)
    edges = [abs(columns - left), abs(columns - right), abs(rows - upper), abs(rows - lower)]
    assert all(min(distances) <= 2 for distances in zip(*edges, strict=True))


@pytest.mark.parametrize("fit", ["stretch", "pad"])
@pytest.mark.parametrize("size", [32, 50])
def test_the_net_is_shown_a_picture_as_in_training(tmp_path: Path, fit: Fit, size: int) -> None:
    rng, rows = np.random.default_rng(0), ["name,class,xmin,ymin,xmax,ymax"]
    (tmp_path / "images").mkdir()
    for number, shape in enumerate([(37, 51), (64, 20), (50, 50), (20, 64)]):
        pixels = rng.integers(0, 255, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        rows.append(f"{number},cat,1,2,9,12")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    data, run = Boxes(str(tmp_path), "boxes.csv", "images", size=size, fit=fit), seeing(fit, size)
    for split in map(data.split, get_args(Split)):
        for sample in (split[index] for index in range(len(split))):
            run.predict(tmp_path / "images" / f"{sample['name']}.png")
            assert torch.equal(run.model.shown[0], sample["image"])


def test_a_run_keeps_how_its_pictures_were_fitted(tmp_path: Path) -> None:
    """Trained on padded pictures, it pads new ones; a run that says nothing, being older, stretches them."""
    rows = ["name,class,xmin,ymin,xmax,ymax"]
    (tmp_path / "images").mkdir()
    for number in range(8):
        Image.new("RGB", (40, 20), (30 * number, 90, 40)).save(tmp_path / "images" / f"{number}.png")
        rows.append(f"{number},{'cat' if number % 2 else 'dog'},{number},2,30,12")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    dataset = {"name": "boxes", "root": str(tmp_path), "annotations": "boxes.csv", "images": "images"}
    dataset |= {"size": 32, "fit": "pad", "val": 0.25, "test": 0.25}
    suite = write_suite(
        tmp_path, dataset=dataset, tasks={"box": {}, "label": {}}, augmentations=[{"name": "flip"}]
    )
    assert run_suite([str(suite), "--out", str(tmp_path / "runs")]) == 0
    folder = tmp_path / "runs/tiny/tiny/seed-0"
    run = load_run(folder)
    assert run.fit == "pad"
    left, upper, right, lower = run.predict(tmp_path / "images/0.png")["box"].tolist()
    assert 0 <= left <= right <= 40
    assert 0 <= upper <= lower <= 20
    written = json.loads((folder / "data.json").read_text())
    del written["fit"]
    (folder / "data.json").write_text(json.dumps(written))
    assert load_run(folder).fit == "stretch"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    tasks = {"mask": {}, "depth": {}, "points": {"head": "coordinates"}, "box": {}}
    assert run_suite([str(write_suite(folder, tasks=tasks)), "--out", str(folder)]) == 0
    return folder / "tiny" / "tiny" / "seed-0"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two images of odd sizes, and a background for each."""
    for folder in ("in", "bg"):
        (tmp_path / folder).mkdir()
        for name, size in (("a.png", (37, 51)), ("b.jpg", (64, 20))):
            pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / name)
    return tmp_path


def test_images_of_any_size(run: Path, pictures: Path) -> None:
    out = pictures / "out"
    assert (
        main([str(run), str(pictures / "in"), "--background", str(pictures / "bg"), "--out", str(out)]) == 0
    )
    for name, size in (("a", (37, 51)), ("b", (64, 20))):
        mask, depth = Image.open(out / f"mask/{name}.png"), Image.open(out / f"depth/{name}.png")
        assert mask.size == depth.size == size
        assert set(np.unique(np.asarray(mask))) <= {0, 255}
        assert 100 <= np.asarray(depth).min() <= np.asarray(depth).max() <= 10_000  # the task's range, in mm
        assert (out / f"panels/{name}.png").exists()
        factor = -(-256 // max(size))  # small pictures are enlarged
        assert np.asarray(Image.open(out / f"drawn/{name}.png")).shape[1::-1] == (
            factor * size[0],
            factor * size[1],
        )
    with (out / "box.csv").open() as file:
        boxes = {
            row["name"]: [float(row[edge]) for edge in ("xmin", "ymin", "xmax", "ymax")]
            for row in DictReader(file)
        }
    expected = load_run(run).predict(pictures / "in/b.jpg", bg=pictures / "bg/b.jpg")
    np.testing.assert_allclose(boxes["b"], expected["box"], rtol=1e-5)  # in pixels of the picture, 64 x 20
    found = json.loads((out / "predictions.json").read_text())
    assert list(found) == ["a", "b"]
    assert list(found["b"]["box"].values()) == boxes["b"]
    xy = [[point["x"], point["y"]] for point in found["b"]["points"].values()]
    np.testing.assert_allclose(xy, expected["points"][:, :2], rtol=1e-5)
    assert not (out / "truth").exists()


def test_a_test_sample_is_predicted_as_the_run_saved_it(run: Path, tmp_path: Path) -> None:
    saved = run / "predictions"
    arguments = [str(saved / "input/fg_bg"), "--background", str(saved / "input/bg"), "--out", str(tmp_path)]
    assert main([str(run), *arguments]) == 0
    for path in (saved / "mask").iterdir():
        assert np.array_equal(
            np.asarray(Image.open(path)), np.asarray(Image.open(tmp_path / "mask" / path.name))
        )


def test_an_image_is_seen_at_the_size_of_the_training(run: Path) -> None:
    """A large picture gives what its small copy gives, brought back to its size."""
    trained = load_run(run)
    assert trained.size == 32
    noise = torch.rand(1, 6, 8, 8, generator=torch.Generator().manual_seed(0))
    large = F.interpolate(noise, (96, 80), mode="bilinear")[0]
    small = F.interpolate(large[None], (32, 32), mode="bilinear", antialias=True)[0]
    native = replace(trained, size=None)
    found, expected = trained.predict(large[3:], bg=large[:3]), native.predict(small[3:], bg=small[:3])
    torch.testing.assert_close(found["box"], expected["box"] * torch.tensor([80, 96, 80, 96]) / 32)
    corner_based = (expected["points"][:, :2] + 0.5) * torch.tensor([80, 96]) / 32
    torch.testing.assert_close(found["points"][:, :2], corner_based - 0.5)
    for task in ("mask", "depth"):
        prediction = found[task]
        assert prediction.shape == (1, 96, 80)
        brought_back = F.interpolate(expected[task][None], (96, 80), mode="bilinear", antialias=True)
        torch.testing.assert_close(prediction[None], brought_back)
    assert not torch.equal(found["depth"], native.predict(large[3:], bg=large[:3])["depth"])


def test_files_pictures_and_tensors_are_predicted_alike(run: Path, pictures: Path) -> None:
    trained, path = load_run(run), pictures / "in/a.png"
    picture = Image.open(path)
    tensor = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
    expected = replace(trained, size=None).predict(str(path), bg=picture)
    for given in (path, picture, tensor):
        found = replace(trained, size=None).predict(given, bg=tensor)
        torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)
    resized, by_tensor = trained.predict(path, bg=path), trained.predict(tensor, bg=tensor)
    torch.testing.assert_close(
        resized["mask"], by_tensor["mask"], atol=0.02, rtol=0
    )  # Pillow rounds to 8 bits
    for levels in (255 * tensor, (255 * tensor).byte(), tensor - 1):
        with pytest.raises(CnnlibError, match=r"the input 'fg_bg' must be float in \[0, 1\]"):
            trained.predict(levels, bg=tensor)
    with pytest.raises(CnnlibError, match="trained on bg and fg_bg; bg is missing"):
        trained.predict(path)
    with pytest.raises(CnnlibError, match="trained on bg and fg_bg; leave out mask"):
        trained.predict(path, bg=path, mask=path)
    with pytest.raises(CnnlibError, match="the input 'bg' has 3 channels; got 1"):
        trained.predict(path, bg=tensor[:1])


@pytest.mark.parametrize("shape", [(3, 3, 8, 8), (3, 8), (3,), ()])
def test_a_tensor_that_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        CnnlibError, match=rf"'image' must be one picture \(3, H, W\); got .* {re.escape(str(shape))}"
    ):
        seeing("stretch", 8).predict(torch.zeros(shape))


def test_native_size_shows_the_net_the_image_as_it_is(run: Path, pictures: Path) -> None:
    arguments = [str(run), str(pictures / "in/a.png"), "--background", str(pictures / "bg/a.png"), "--out"]
    for out, extra in (("small", []), ("native", ["--native-size"])):
        assert main([*arguments, str(pictures / out), *extra]) == 0
    small, native = (np.asarray(Image.open(pictures / out / "depth/a.png")) for out in ("small", "native"))
    assert small.shape == native.shape == (51, 37)
    assert (small != native).any()


def test_one_background_for_all_and_one_archive(run: Path, pictures: Path) -> None:
    arguments = [str(pictures / "in"), "--background", str(pictures / "bg/a.png"), "--format", "zip"]
    assert main([str(run), *arguments, "--out", str(pictures / "out")]) == 0
    assert [path.name for path in (pictures / "out").iterdir()] == ["predictions.zip"]


def test_what_cannot_be_predicted_is_reported(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "text.png").write_text("no image")
    (pictures / "empty").mkdir()
    (pictures / "in2").mkdir()
    (pictures / "in2/a.jpg").write_bytes((pictures / "in/a.png").read_bytes())
    given, background, out = (
        str(pictures / "in"),
        ["--background", str(pictures / "bg")],
        ["--out", str(pictures / "o")],
    )
    cases = {
        "bg is missing: --input bg=FILE": [str(run), given],
        "leave out sky": [str(run), given, *background, "--input", f"sky={pictures}"],
        "nowhere.png: no such file": [str(run), str(pictures / "nowhere.png"), *background],
        "text.png": [str(run), str(pictures / "text.png"), "--background", str(pictures / "bg/a.png")],
        "holds no image": [str(run), str(pictures / "empty"), *background],
        "both results would be called 'a'": [str(run), given, str(pictures / "in2"), *background],
        "holds no bg for the image 'b'": [str(run), given, "--background", str(pictures / "in2")],
        "no config.yaml": [str(pictures), given, *background],
    }
    for expected, arguments in cases.items():
        assert main([*arguments, *out]) == 2, expected
        message = capsys.readouterr().err
        assert expected in message
        assert message.startswith("error: ")


def test_a_run_without_weights_is_reported(
    run: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "run").mkdir()
    for name in ("config.yaml", "data.json"):
        (pictures / "run" / name).write_text((run / name).read_text())
    background = ["--background", str(pictures / "bg")]
    assert (
        main([str(pictures / "run"), str(pictures / "in"), *background, "--out", str(pictures / "out")]) == 2
    )
    assert "best.ckpt: no such checkpoint" in capsys.readouterr().err


def test_an_opened_picture_is_turned_and_scaled_as_its_file_is(run: Path, pictures: Path) -> None:
    """A photograph with an EXIF orientation, and one of 16 bits."""
    pixels = np.random.default_rng(1).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(pixels).save(pictures / "turned.png", exif=exif)
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(pictures / "deep.png")
    trained, background = load_run(run), pictures / "bg/a.png"
    for name in ("turned.png", "deep.png"):
        from_file = trained.predict(pictures / name, bg=background)
        opened = trained.predict(Image.open(pictures / name), bg=Image.open(background))
        for task, prediction in from_file.items():
            torch.testing.assert_close(opened[task], prediction, equal_nan=True)
    assert trained.predict(pictures / "turned.png", bg=background)["mask"].shape == (1, 40, 24)


class BrightSpot(nn.Module):
    """Gives the centre of what is bright, as shares of the picture from its centre."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        levels = image.mean(dim=1)  # (B, H, W)
        weight = levels / levels.sum(dim=(1, 2), keepdim=True)
        shares = [(torch.arange(side) + 0.5) / side - 0.5 for side in (weight.shape[2], weight.shape[1])]
        return {"spot": torch.stack([weight.sum(1) @ shares[0], weight.sum(2) @ shares[1]], dim=1)}


@pytest.fixture
def finder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``predict.py`` gets a net that finds a bright spot."""
    tasks = {"spot": PointsTask(TargetInfo("points", names=("dot",)), head="coordinates")}
    trained = replace(load_run(run), tasks=tasks, model=BrightSpot(), inputs={"photo": 3}, size=None)
    monkeypatch.setattr("tools.predict.load_run", lambda _: trained)


@pytest.mark.usefixtures("finder")
def test_a_video_is_predicted_frame_by_frame(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from tests import moving_dot

    video, out = moving_dot.write_video(tmp_path / "walk.mp4"), tmp_path / "out"
    assert main(["any", str(video), "--every", "2", "--out", str(out)]) == 0
    found = json.loads((out / "predictions.json").read_text())
    assert list(found) == [f"walk-{index:06}" for index in (0, 2, 4, 6, 8)]
    for index, values in zip((0, 2, 4, 6, 8), found.values(), strict=True):
        dot = values["spot"]["dot"]
        np.testing.assert_allclose([dot["x"], dot["y"]], moving_dot.place(index), atol=0.5)
    assert {path.name for path in out.iterdir()} == {"spot.csv", "predictions.json", "README.txt", "walk.mp4"}
    assert frame_rate(out / "walk.mp4") == moving_dot.RATE / 2  # so that it lasts as long
    drawn = [np.asarray(picture) for _, picture in read_frames(out / "walk.mp4")]
    assert len(drawn) == 5
    scale = drawn[0].shape[0] // moving_dot.HEIGHT
    for index, picture in zip((0, 2, 4, 6, 8), drawn, strict=True):
        x, y = (round(scale * (each + 0.5)) for each in moving_dot.place(index))
        assert np.abs(picture[y, x] - np.array([230.0, 25, 75])).max() < 40  # a red mark on the white dot


@pytest.mark.usefixtures("finder")
def test_what_cannot_be_predicted_of_a_video_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    from tests import moving_dot

    video = str(moving_dot.write_video(tmp_path / "walk.mp4", 2))
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    picture, out = str(tmp_path / "a.png"), tmp_path / "out"
    cases = {
        "a video is predicted on its own": [video, picture],
        "--every is for the frames of a video": [picture, "--every", "2"],
        "every must be at least 1; it is 0": [video, "--every", "0"],
        "broken.mp4: not readable as a video": [str(tmp_path / "broken.mp4")],
        "nowhere.mp4: not readable as a video": [str(tmp_path / "nowhere.mp4")],
    }
    for expected, arguments in cases.items():
        assert main(["any", *arguments, "--out", str(out)]) == 2, expected
        assert expected in capsys.readouterr().err
    assert not list(out.glob("*.mp4"))
