"""What happens to files of data sets and runs: disks, copies, downloads and people change them."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import TypeAlias

import numpy as np
import yaml

from tests.fuzz.byte_damages import ByteDamage, cut, flip, replace, splice, zeros
from tests.fuzz.hostile_values import CELLS
from tests.fuzz.trap import pickled
from tests.fuzz.trees import changed

Damage: TypeAlias = Callable[[Path, Sequence[Path], random.Random], None]
"""Changes a file, given all files of the data set."""


def _on_bytes(change: ByteDamage) -> Damage:
    @wraps(change)
    def damage(path: Path, files: Sequence[Path], rng: random.Random) -> None:
        path.write_bytes(change(path.read_bytes(), rng))

    return damage


CORRUPTIONS: tuple[Damage, ...] = tuple(map(_on_bytes, (flip, cut, zeros)))
"""What checksums are for."""
_OTHER_BYTES: tuple[Damage, ...] = tuple(map(_on_bytes, (splice, replace)))


def other_content(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    path.write_bytes(rng.choice(files).read_bytes())


def swapped(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """With another of its folder."""
    beside = [each for each in files if each.parent == path.parent]
    other = rng.choice(beside)
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def not_a_file(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    content = path.read_bytes()
    path.unlink()
    kinds = [
        lambda: None,
        path.mkdir,
        partial(os.mkfifo, path),
        partial(path.write_bytes, b""),
        *(
            partial(path.symlink_to, target)
            for target in ("/dev/zero", "/nowhere", "/etc/passwd", "..", path.name)
        ),
        partial(_renamed, path, content),
    ]
    rng.choice(kinds)()


def _renamed(path: Path, content: bytes) -> None:
    """To a name that is not UTF-8."""
    name = b"\xff\xfe" + os.fsencode(path.name)
    (path.parent / os.fsdecode(name)).write_bytes(content)


def other_array(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """Of another shape, dtype or content, also with a pickle in it."""
    with np.load(path, allow_pickle=False) as loaded:
        arrays = dict(loaded)
    key = rng.choice(list(arrays))
    arrays[key] = _other(arrays[key], rng)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def other_npy(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """As ``other_array``; or only the header says so."""
    array = np.load(path)
    if rng.random() < 0.6:
        np.save(path, _other(array, rng))
        return
    shapes = [(2**40,), (2**63, 0), (-1, 3), (0,), (), (2**20, 2**20, 3), array.shape[::-1], (1,) * 40]
    types = [array.dtype.str, "|O", "<f8", ">f4", "|V0", "<U9", "|b1", [("a", "<f4")], "<M8[s]", "<c16"]
    shape, kind = rng.choice(shapes), rng.choice(types)
    header = {"descr": kind, "fortran_order": bool(rng.random() < 0.5), "shape": shape}
    if rng.random() < 0.5:
        header["shape"] = array.shape
    if rng.random() < 0.3:
        header = {**header, "descr": array.dtype.str, "fortran_order": True, "shape": array.shape}
    text = repr(header).encode()
    text += b" " * (118 - len(text) % 64 + (64 if len(text) % 64 > 54 else 0) - 64 * (len(text) % 64 <= 54))
    body = np.ascontiguousarray(array).tobytes()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)


def _other(array: np.ndarray, rng: random.Random) -> np.ndarray:
    array = np.atleast_1d(array)
    if array.dtype.kind in "US":
        array = np.arange(array.size).reshape(array.shape)
    spoilt = array.astype(array.dtype if array.dtype.kind == "f" else np.float64, copy=True)
    spoilt.reshape(-1)[:: rng.randrange(1, 9)] = rng.choice([np.nan, np.inf, -np.inf, 1e300, -1])
    trap = np.empty(array.shape, object)
    trap.fill(pickled())
    others = [spoilt, trap, np.array(pickled(), object), array[:-1], array[None], array.T, array.reshape(-1)]
    others += [array.astype(kind) for kind in ("f2", "i1", "u8", "c8", "U4", "S3", "?", "f8", ">i4")]
    others += [np.zeros(0, array.dtype), np.zeros((), array.dtype), array[..., None], -array.astype(np.int64)]
    others += [array.astype(np.int64) * 2**40]
    return rng.choice(others)


def other_value(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """Somewhere in what a JSON or YAML file holds."""
    load, dump = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    path.write_text(dump(changed(load(path.read_text()), rng)))


def other_text(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """A cell of a table, or a line."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    line = rng.choice(lines)
    at = rng.randrange(len(line))
    kind = rng.randrange(5)
    if kind == 0:
        line.pop(at)
    elif kind == 1:
        lines.remove(line)
    elif kind == 2:
        lines.append(line)
    else:
        line[at] = rng.choice(CELLS)
    path.write_bytes("\n".join(map(",".join, lines)).encode(errors="surrogatepass"))


def other_member(path: Path, files: Sequence[Path], rng: random.Random) -> None:
    """Of a tar file, with headers whose checksums are right; the index of what it was before is gone."""
    with tarfile.open(path) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]
    at = rng.randrange(len(members))
    out = io.BytesIO()
    for number, (member, content) in enumerate(members):
        written = _written(member, content, rng) if number == at else _plain(member, content)
        out.write(written)
    path.write_bytes(out.getvalue() + bytes(10240))
    path.with_suffix(".index.npz").unlink(missing_ok=True)


def _plain(member: tarfile.TarInfo, content: bytes) -> bytes:
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def _written(member: tarfile.TarInfo, content: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(8)
    if kind == 0:  # a few bytes that claim to be many gigabytes
        return _sparse(member, content)
    if kind == 1:
        return _with_size(member, b"\xff" * 11 + b"\x00") + content + bytes(-len(content) % 512)
    if kind == 2:
        sizes = [b"77777777777\x00", b"\x80" + b"\x7f" * 11, b"\x80" + bytes(10) + b"\x01"]
        return _with_size(member, rng.choice(sizes)) + content + bytes(-len(content) % 512)
    if kind == 3:
        types = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"x", b"Z"]
        member.type = rng.choice(types)
        member.linkname = "/etc/passwd"
        return _plain(member, content)
    if kind == 4:
        names = ["../../x.json", "/x.json", "x", ".json", "a\udcff.json", "é.json", "x" * 90]
        member.name = rng.choice(names)
        return _plain(member, content)
    if member.name.endswith(".json") and kind in (5, 6):
        content = json.dumps(changed(json.loads(content), rng)).encode()
    elif member.name.endswith(".npy") and kind in (5, 6):
        file = io.BytesIO()
        np.save(file, _other(np.load(io.BytesIO(content)), rng))
        content = file.getvalue()
    else:
        content = replace(content, rng)
    member.size = len(content)
    return _plain(member, content)


def _with_size(member: tarfile.TarInfo, size: bytes) -> bytes:
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size
    return _with_sum(header)


def _sparse(member: tarfile.TarInfo, content: bytes) -> bytes:
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[345:500] = bytes(155)
    header[386:410] = b"00000000000\x00" + b"%011o\x00" % min(len(content), 0o77777777777)
    header[483:495] = b"\x80" + (2**36).to_bytes(11, "big")  # 64 GiB, of which most is zeros
    return _with_sum(header) + content + bytes(-len(content) % 512)


def _with_sum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\x00 " % sum(header[:512])
    return bytes(header)


def damages_of(path: Path) -> list[Damage]:
    """What may happen to such a file."""
    own: dict[str, Damage] = {
        ".npy": other_npy,
        ".npz": other_array,
        ".json": other_value,
        ".yaml": other_value,
        ".csv": other_text,
        ".txt": other_text,
        ".tar": other_member,
    }
    special = [own[path.suffix]] * 4 if path.suffix in own else []
    return [*CORRUPTIONS * 2, *_OTHER_BYTES, other_content, swapped, not_a_file, not_a_file, *special]
