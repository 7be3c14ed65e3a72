"""Videos: which frames are read, how they are turned, and what is said of files that are none."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnlib.types import CnnlibError
from cnnlib.video_files import VideoWriter, frame_rate, is_video, read_frames

pytest.importorskip("av", reason="PyAV is not installed")
from tests.moving_dot import RATE, draw_dot, write_sound, write_video
from tests.time_limit import limited


def test_every_third_frame_is_read_with_its_index(tmp_path: Path) -> None:
    path = write_video(tmp_path / "dot.mp4")
    found = list(read_frames(path, every=3))
    assert [index for index, _ in found] == [0, 3, 6]
    for index, picture in found:
        difference = np.abs(np.asarray(picture).astype(int) - draw_dot(index))
        assert difference.mean() < 2  # what the encoder loses; the dot of another frame differs by 20
    assert frame_rate(path) == RATE


@pytest.mark.parametrize(("rotation", "quarters"), [(90, 1), (180, 2), (-90, 3)])
def test_a_video_is_turned_upright(tmp_path: Path, rotation: int, quarters: int) -> None:
    """``rotation`` is counter-clockwise, as ``np.rot90`` is."""
    path = write_video(tmp_path / "dot.mov", 2, rotation)
    for index, picture in read_frames(path):
        expected = np.rot90(draw_dot(index), quarters).astype(int)
        assert np.abs(np.asarray(picture) - expected).mean() < 2


def test_a_video_of_odd_size_is_written_at_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    writer = VideoWriter(path, Fraction(30000, 1001) / 7)
    for level in (40, 200):
        writer.write(torch.full((3, 31, 45), level, dtype=torch.uint8))
        assert not path.exists()
    writer.close()
    pictures = [np.asarray(picture) for _, picture in read_frames(path)]
    assert [picture.shape for picture in pictures] == [(32, 46, 3)] * 2
    assert [round(float(picture[4:26, 4:40].mean()), -1) for picture in pictures] == [40, 200]
    assert float(frame_rate(path)) == pytest.approx(30000 / 1001 / 7, rel=1e-3)
    assert [each.name for each in tmp_path.iterdir()] == ["out.mp4"]


def test_without_a_picture_there_is_no_video(tmp_path: Path) -> None:
    VideoWriter(tmp_path / "out.mp4", Fraction(25)).close()
    assert not list(tmp_path.iterdir())


def test_what_is_no_video_is_reported(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.mp4").read_bytes()
    for name, content in (("empty", b""), ("text", b"no video"), ("half", whole[: len(whole) // 2])):
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(content)
        for read in (lambda path: list(read_frames(path)), frame_rate):
            with pytest.raises(CnnlibError, match=f"{name}.mp4: not readable as a video"):
                read(path)
    with pytest.raises(CnnlibError, match=r"sound.mp4: the file has no pictures, only sound"):
        list(read_frames(write_sound(tmp_path / "sound.mp4")))
    with pytest.raises(CnnlibError, match=r"nowhere.mp4: not readable as a video \(No such file"):
        list(read_frames(tmp_path / "nowhere.mp4"))
    with pytest.raises(CnnlibError, match="every must be at least 1; it is 0"):
        read_frames(tmp_path / "whole.mp4", 0)


def test_a_title_in_another_encoding_is_no_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    content = path.read_bytes()
    assert b"Lavf" in content
    path.write_bytes(content.replace(b"Lavf", b"\xefavf"))
    assert list(read_frames(path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with limited(10), pytest.raises(CnnlibError, match=r"a.mp4: must be a regular file"):
        frame_rate(tmp_path / "a.mp4")


def test_a_video_without_frames_is_reported(tmp_path: Path) -> None:
    path = write_video(tmp_path / "none.avi", 0)
    with pytest.raises(CnnlibError, match=r"none.avi: the video has no pictures"):
        list(read_frames(path))


def test_without_pyav_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CnnlibError, match=r"pip install 'cnnlib\[video\]'"):
        list(read_frames(tmp_path / "a.mp4"))


def test_a_video_is_told_by_its_ending() -> None:
    assert [name for name in ("a.MP4", "b.mov", "c.jpg", "mp4") if is_video(Path(name))] == ["a.MP4", "b.mov"]
