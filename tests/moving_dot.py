"""A small video, encoded by PyAV: a bright dot that moves over a dark floor."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, RATE = 64, 48, 10


def place(index: int) -> tuple[float, float]:
    """Of the dot's centre in frame ``index``, x and y in pixels."""
    return 10 + 4.0 * index, 12 + 2.0 * index


def draw_dot(index: int) -> np.ndarray:
    """(H, W, 3)."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = place(index)
    distance = np.hypot(columns - x, rows - y)
    return np.repeat((255 * np.clip(5.5 - distance, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def write_video(path: Path, frames: int = 9, rotation: int = 0) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", RATE, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        container.start_encoding()  # so that there is a file even without a frame
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw_dot(index), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), dtype=np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
