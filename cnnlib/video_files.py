"""Videos, read and written one picture after the other, so that only one is in memory.

They need PyAV, an optional library: without it each function raises ``CnnlibError``.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch.nn.functional as F
from annotated_types import Ge
from PIL import Image
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.files import check_is_file
from cnnlib.types import CnnlibError

_ENDINGS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp", ".ts")


def is_video(path: Path) -> bool:
    """Whether a file's name ends as those of videos do."""
    return path.suffix.lower() in _ENDINGS


@checked
def read_frames(path: Path, every: Annotated[int, Ge(1)] = 1) -> Iterator[tuple[int, Image.Image]]:
    """The index and the RGB picture, upright as the file says, of every ``every``-th frame.

    Raises:
        CnnlibError: the file is missing, broken, or has no pictures.
    """
    count = 0
    with _opened(path) as (container, stream):
        for index, frame in enumerate(container.decode(stream)):
            count += 1
            if index % every == 0:
                turned = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                yield index, Image.fromarray(np.ascontiguousarray(turned))
    if count == 0:
        raise CnnlibError(f"{path}: the video has no pictures; is the file complete?")


def frame_rate(path: Path) -> Fraction:
    """Mean number of frames per second.

    Raises:
        CnnlibError: as ``read_frames``.
    """
    with _opened(path) as (_, stream):
        return stream.average_rate or stream.guessed_rate or Fraction(25)


class VideoWriter:
    """Writes ``path``, an MP4 file of H.264, which is not there before ``close``, nor without a picture.

    Args:
        rate: pictures per second.
    """

    def __init__(self, path: Path, rate: Fraction) -> None:
        self._path, self._partial = path, path.with_name(f".{path.name}.partial")
        self._rate = rate.limit_denominator(1001)  # longer fractions do not fit into the file
        self._container: Any = None
        weakref.finalize(self, self._partial.unlink, missing_ok=True)  # at the latest when the process ends

    def write(self, picture: Tensor) -> None:
        """``picture`` is uint8 (3, H, W), of one size in all calls."""
        av = _load_av()
        picture = F.pad(picture, (0, picture.shape[2] % 2, 0, picture.shape[1] % 2))  # H.264 wants even sides
        if self._container is None:
            self._container = av.open(str(self._partial), "w", format="mp4")
            self._stream = self._container.add_stream("libx264", self._rate, options={"crf": "20"})
            self._stream.height, self._stream.width = picture.shape[1:]
            self._stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(picture.permute(1, 2, 0).contiguous().numpy(), format="rgb24")
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._partial.replace(self._path)


def _load_av() -> Any:
    try:
        import av
    except ImportError:
        raise CnnlibError("videos need PyAV, which is not installed: pip install 'cnnlib[video]'") from None
    return av


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its first stream of pictures; what PyAV complains about becomes a ``CnnlibError``."""
    av = _load_av()
    check_is_file(path)
    try:
        # Titles may be in any encoding.
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise CnnlibError(f"{path}: the file has no pictures, only sound or text")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except av.FFmpegError as error:
        raise CnnlibError(f"{path}: not readable as a video ({error.strerror}); is it complete?") from None
