"""What happens to files: disks, copies, downloads and people change them."""

from __future__ import annotations

import copy
import io
import json
import os
import random
import tarfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import yaml

from tests.fuzz.hostile_values import CELLS, CONTENTS, VALUES
from tests.fuzz.trap import pickled

Damage: TypeAlias = Callable[[Path, Sequence[Path], random.Random], None]
"""Changes a file, given all files of the data set."""


def flip(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    content = bytearray(path.read_bytes())
    header = luck.random() < 0.3
    for _ in range(luck.randint(1, 3)):
        bit = luck.randrange(8 * min(len(content), 200 if header else len(content)))
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def cut(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: luck.randrange(len(content))])


def zeros(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """Where a file system has lost blocks."""
    content = path.read_bytes()
    first, last = _two_places(content, luck)
    path.write_bytes(content[:first] + bytes(last - first) + content[last:])


def _two_places(content: bytes, luck: random.Random) -> list[int]:
    return sorted(luck.choices(range(len(content) + 1), k=2))


DECAY: tuple[Damage, ...] = (flip, cut, zeros)
"""What checksums are for."""


def spliced(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """A piece alone, left out, or once more at the end."""
    content = path.read_bytes()
    first, last = _two_places(content, luck)
    piece = content[first:last]
    path.write_bytes(luck.choice([piece, content[:first] + content[last:], content + piece]))


def replaced(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    path.write_bytes(luck.choice(CONTENTS))


def other_content(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    path.write_bytes(luck.choice(files).read_bytes())


def swapped(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """With another of its folder."""
    beside = [each for each in files if each.parent == path.parent]
    other = luck.choice(beside)
    content = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(content)


def not_a_file(path: Path, files: Sequence[Path], luck: random.Random) -> None:
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
    luck.choice(kinds)()


def _renamed(path: Path, content: bytes) -> None:
    """To a name that is not UTF-8."""
    name = b"\xff\xfe" + os.fsencode(path.name)
    (path.parent / os.fsdecode(name)).write_bytes(content)


def other_array(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """Of another shape, dtype or content, also with a pickle in it."""
    with np.load(path, allow_pickle=False) as loaded:
        arrays = dict(loaded)
    key = luck.choice(list(arrays))
    arrays[key] = _other(arrays[key], luck)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def other_npy(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """As ``other_array``; or only the header says so."""
    array = np.load(path)
    if luck.random() < 0.6:
        np.save(path, _other(array, luck))
        return
    shapes = [(2**40,), (2**63, 0), (-1, 3), (0,), (), (2**20, 2**20, 3), array.shape[::-1], (1,) * 40]
    types = [array.dtype.str, "|O", "<f8", ">f4", "|V0", "<U9", "|b1", [("a", "<f4")], "<M8[s]", "<c16"]
    shape, kind = luck.choice(shapes), luck.choice(types)
    header = {"descr": kind, "fortran_order": bool(luck.random() < 0.5), "shape": shape}
    if luck.random() < 0.5:
        header["shape"] = array.shape
    if luck.random() < 0.3:
        header = {**header, "descr": array.dtype.str, "fortran_order": True, "shape": array.shape}
    text = repr(header).encode()
    text += b" " * (118 - len(text) % 64 + (64 if len(text) % 64 > 54 else 0) - 64 * (len(text) % 64 <= 54))
    body = np.ascontiguousarray(array).tobytes()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)


def _other(array: np.ndarray, luck: random.Random) -> np.ndarray:
    array = np.atleast_1d(array)
    if array.dtype.kind in "US":
        array = np.arange(array.size).reshape(array.shape)
    spoilt = array.astype(array.dtype if array.dtype.kind == "f" else np.float64, copy=True)
    spoilt.reshape(-1)[:: luck.randrange(1, 9)] = luck.choice([np.nan, np.inf, -np.inf, 1e300, -1])
    trap = np.empty(array.shape, object)
    trap.fill(pickled())
    others = [spoilt, trap, np.array(pickled(), object), array[:-1], array[None], array.T, array.reshape(-1)]
    others += [array.astype(kind) for kind in ("f2", "i1", "u8", "c8", "U4", "S3", "?", "f8", ">i4")]
    others += [np.zeros(0, array.dtype), np.zeros((), array.dtype), array[..., None], -array.astype(np.int64)]
    others += [array.astype(np.int64) * 2**40]
    return luck.choice(others)


def other_value(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """Somewhere in what a JSON or YAML file holds."""
    load, dump = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
    path.write_text(dump(changed(load(path.read_text()), luck)))


def changed(tree: Any, luck: random.Random) -> Any:
    """The tree with one value left out, repeated or replaced; its root too may be."""
    whole = {"root": tree}
    holder, key = whole, "root"
    while isinstance(holder[key], dict | list) and holder[key] and luck.random() < 0.85:
        holder = holder[key]
        key = luck.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = luck.randrange(4)
    if kind == 0:
        holder.pop(key)
    elif kind == 1:
        holder[key] = [copy.deepcopy(holder[key])] * luck.randint(1, 3)
    else:
        holder[key] = copy.deepcopy(luck.choice(VALUES))
    return whole.get("root")


def other_text(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """A cell of a table, or a line."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    line = luck.choice(lines)
    at = luck.randrange(len(line))
    kind = luck.randrange(5)
    if kind == 0:
        line.pop(at)
    elif kind == 1:
        lines.remove(line)
    elif kind == 2:
        lines.append(line)
    else:
        line[at] = luck.choice(CELLS)
    path.write_bytes("\n".join(map(",".join, lines)).encode(errors="surrogatepass"))


def other_member(path: Path, files: Sequence[Path], luck: random.Random) -> None:
    """Of a tar file, with headers whose checksums are right; the index of what it was before is gone."""
    with tarfile.open(path) as archive:
        members = [(member, archive.extractfile(member).read()) for member in archive]
    at = luck.randrange(len(members))
    out = io.BytesIO()
    for number, (member, content) in enumerate(members):
        written = _written(member, content, luck) if number == at else _plain(member, content)
        out.write(written)
    path.write_bytes(out.getvalue() + bytes(10240))
    path.with_suffix(".index.npz").unlink(missing_ok=True)


def _plain(member: tarfile.TarInfo, content: bytes) -> bytes:
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def _written(member: tarfile.TarInfo, content: bytes, luck: random.Random) -> bytes:
    kind = luck.randrange(8)
    if kind == 0:  # a few bytes that claim to be many gigabytes
        return _sparse(member, content)
    if kind == 1:
        return _with_size(member, b"\xff" * 11 + b"\x00") + content + bytes(-len(content) % 512)
    if kind == 2:
        sizes = [b"77777777777\x00", b"\x80" + b"\x7f" * 11, b"\x80" + bytes(10) + b"\x01"]
        return _with_size(member, luck.choice(sizes)) + content + bytes(-len(content) % 512)
    if kind == 3:
        types = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"x", b"Z"]
        member.type = luck.choice(types)
        member.linkname = "/etc/passwd"
        return _plain(member, content)
    if kind == 4:
        names = ["../../x.json", "/x.json", "x", ".json", "a\udcff.json", "é.json", "x" * 90]
        member.name = luck.choice(names)
        return _plain(member, content)
    if member.name.endswith(".json") and kind in (5, 6):
        about = json.loads(content)
        key = luck.choice(list(about))
        about[key] = luck.choice(VALUES)
        content = json.dumps(about).encode()
    elif member.name.endswith(".npy") and kind in (5, 6):
        file = io.BytesIO()
        np.save(file, _other(np.load(io.BytesIO(content)), luck))
        content = file.getvalue()
    else:
        content = luck.choice(CONTENTS)
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
    return [*DECAY, *DECAY, spliced, replaced, other_content, swapped, not_a_file, not_a_file, *special]
