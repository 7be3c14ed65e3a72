"""Predicts new images, of any size, with a trained run.

python tools/predict.py runs/l1_depth/l1_depth/seed-0 photos/ --background empty_room.jpg --out predictions
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from rich.progress import track

from cnnlib.datasets.image_files import read_color, to_image
from cnnlib.inference import find_images, load_run, match_inputs
from cnnlib.predictions import PERSISTERS
from cnnlib.types import CnnlibError, Predicted


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
        images = find_images(options.images)
        matched = match_inputs(run, list(images), others)
        sink = PERSISTERS[options.format](options.out, run.tasks, run.inputs)
        work = zip(images.items(), matched, strict=True)
        for (name, path), files in track(
            work, "predicting", total=len(images), disable=not sys.stderr.isatty()
        ):
            picture, given = read_color(path), {key: read_color(file) for key, file in files.items()}
            image = to_image([*(given[key] for key in run.inputs if key in given), picture], None)
            sink.write(Predicted(name, image, run.predict(picture, **given)))
        sink.close()
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(images)} images predicted; look at {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="the folder of a run: runs/<suite>/<experiment>/seed-<n>")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, and folders of images")
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
