"""Predicts new images, or the frames of a video, of any size, with a trained run.

python tools/predict.py runs/l1_depth/l1_depth/seed-0 photos/ --background empty_room.jpg --out predictions
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PIL import Image

from cnnlib.config.command_line import add_no_outside_code
from cnnlib.datasets.image_files import read_color, to_image
from cnnlib.inference import TrainedRun, find_images, load_run, match_inputs
from cnnlib.predictions import PERSISTERS
from cnnlib.progress import shown
from cnnlib.tasks.overlay import draw_overlay
from cnnlib.types import CnnlibError, Predicted
from cnnlib.video_files import VideoWriter, frame_rate, is_video, read_frames


def main(arguments: list[str] | None = None) -> int:
    """0: every image was predicted; 2: the run or an input cannot be used."""
    options = _parser().parse_args(arguments)
    others = dict(options.input)
    if options.background is not None:
        others["bg"] = options.background
    try:
        run = load_run(options.run)
        if options.native_size:
            run = replace(run, size=None)
        predict = _predict_video if any(map(is_video, options.images)) else _predict_images
        done = predict(run, options, others)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{done} predicted; look at {options.out}")
    return 0


def _predict_images(run: TrainedRun, options: argparse.Namespace, others: Mapping[str, Path]) -> str:
    if options.every is not None:
        raise CnnlibError("--every is for the frames of a video; leave it out")
    images = find_images(options.images)
    matched = match_inputs(run, list(images), others)
    pictures = ("input", "panels", "drawn")
    sink = PERSISTERS[options.format](options.out, run.tasks, run.inputs, pictures=pictures)
    work = zip(images.items(), matched, strict=True)
    for (name, path), files in shown(work, "predicting", len(images)):
        given = {key: read_color(file) for key, file in files.items()}
        sink.write(_predicted(run, name, read_color(path), given))
    sink.close()
    return f"{len(images)} images"


def _predict_video(run: TrainedRun, options: argparse.Namespace, others: Mapping[str, Path]) -> str:
    """Pictures of single frames would fill a disk: what is drawn becomes a video again."""
    path, *more = options.images
    if more:
        raise CnnlibError("a video is predicted on its own: call this once for each, and once for all images")
    (files,) = match_inputs(run, [path.stem], others)
    given = {key: read_color(file) for key, file in files.items()}
    every, count = 1 if options.every is None else options.every, 0
    frames, rate = read_frames(path, every), frame_rate(path) / every
    sink = PERSISTERS[options.format](options.out, run.tasks, run.inputs, pictures=())
    video = VideoWriter(options.out / f"{path.stem}.mp4", rate)
    for index, picture in shown(frames, "predicting"):
        sample = _predicted(run, f"{path.stem}-{index:06}", picture, given)
        sink.write(sample)
        drawn = draw_overlay(sample, run.inputs, run.tasks)
        if drawn is not None:
            video.write(drawn)
        count += 1
    sink.close()
    video.close()
    return f"{count} frames"


def _predicted(
    run: TrainedRun, name: str, picture: Image.Image, given: Mapping[str, Image.Image]
) -> Predicted:
    image = to_image([*(given[key] for key in run.inputs if key in given), picture], None)
    return Predicted(name, image, run.predict(picture, **given))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_no_outside_code(parser)
    parser.add_argument("run", type=Path, help="the folder of a run: runs/<suite>/<experiment>/seed-<n>")
    parser.add_argument(
        "images", type=Path, nargs="+", metavar="IMAGE", help="images, and folders of images; or a video"
    )
    parser.add_argument("--out", type=Path, required=True, help="where the predictions go")
    parser.add_argument(
        "--input",
        type=_named,
        action="append",
        default=[],
        metavar="NAME=PLACE",
        help="another input of the run: one file for all images, or a folder with one of each image's name",
    )
    parser.add_argument("--background", type=Path, metavar="PLACE", help="short for --input bg=PLACE")
    parser.add_argument("--every", type=int, metavar="N", help="of a video, only every N-th frame")
    parser.add_argument(
        "--native-size",
        action="store_true",
        help="show the net each image at its own size, not at the one that it was trained on",
    )
    parser.add_argument(
        "--format", choices=sorted(PERSISTERS), default="folder", help="a folder, or one zip file"
    )
    return parser


def _named(text: str) -> tuple[str, Path]:
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        raise argparse.ArgumentTypeError(f"expected NAME=FILE or NAME=FOLDER; got {text!r}")
    return name, Path(place)


if __name__ == "__main__":
    sys.exit(main())
