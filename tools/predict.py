"""Predicts new images, of any size, with a trained run.

python tools/predict.py runs/l1_depth/l1_depth/seed-0 photos/ --background empty_room.jpg --out predictions
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from rich.progress import track

from cnnlib.inference import find_images, load_run, read_inputs
from cnnlib.predictions import PERSISTERS
from cnnlib.types import CnnlibError, Predicted


def main(arguments: list[str] | None = None) -> int:
    """0: every image was predicted; 2: the run or an input cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="a run's folder: runs/<suite>/<experiment>/seed-<n>")
    parser.add_argument("inputs", type=Path, nargs="+", metavar="INPUT", help="images, and folders of images")
    parser.add_argument("--out", type=Path, required=True, help="where the predictions go")
    parser.add_argument(
        "--background",
        type=Path,
        help="for runs on pairs: one image, or a folder with one of each input's name",
    )
    parser.add_argument(
        "--native-size",
        action="store_true",
        help="show the net each image at its own size, not at the one that it was trained on",
    )
    parser.add_argument(
        "--format", choices=sorted(PERSISTERS), default="folder", help="a folder, or one zip file"
    )
    options = parser.parse_args(arguments)
    try:
        run = load_run(options.run)
        if options.native_size:
            run = replace(run, size=None)
        inputs = find_images(options.inputs)
        images = read_inputs(run, inputs, options.background)
        sink = PERSISTERS[options.format](options.out, run.tasks, run.image_names)
        for name, image in track(images, "predicting", total=len(inputs), disable=not sys.stderr.isatty()):
            sink.write(Predicted(name, image, run.predict(image)))
        sink.close()
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(inputs)} images predicted; look at {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
