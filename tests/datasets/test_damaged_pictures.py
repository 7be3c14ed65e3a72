"""Whole and damaged image files: of the latter ``python -m tests.fuzz pictures`` tries as many as you like."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from cnnlib.datasets import Folders
from tests.datasets.pictures import photo, ramp, samples, save
from tests.fuzz.pictures import SOURCES, damaged_picture, read


@pytest.mark.parametrize("name", SOURCES)
def test_whole_files_are_read(tmp_path: Path, name: str) -> None:
    """Else the others would be refused for a fault of the test."""
    (tmp_path / name).write_bytes(SOURCES[name])
    assert read(tmp_path / name).startswith("read by")


def test_a_data_set_of_damaged_pictures(tmp_path: Path) -> None:
    """Pictures or depths among good ones, opened to skip the broken."""
    count = 60
    for index in range(count):
        name, content = damaged_picture(random.Random(index))
        of_picture = index % 2 == 0 and not name.endswith((".npy", ".npz", ".exr", ".pfm"))
        broken, good = ("images", "depth") if of_picture else ("depth", "images")
        target = tmp_path / broken / f"{index:04d}{Path(name).suffix}"
        save(
            photo(index) if good == "images" else ramp().astype(np.uint16) * 20,
            tmp_path / good / f"{index:04d}.png",
        )
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        targets = {"depth": {"folder": "depth", "scale": 0.01}}
        data = Folders(str(tmp_path), {"image": "images"}, targets, size=16)
        kinds = data._samples.targets["depth"]
        object.__setattr__(kinds, "bits_matter", False)  # here files of all kinds are mixed on purpose
        data.skip_broken(0.99)
        used = samples(data)
    for sample in used:
        assert sample["image"].isfinite().all()
        assert sample["depth"].value[sample["depth"].valid].isfinite().all()
    assert len(used) + len(data.skipped) == count
    assert len(data.skipped) > 20
    assert len(used) > 5
