"""The cache of arrays: what it returns, what it refuses to trust, and what it does when the disk refuses."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from cnnlib.datasets.cache import MANIFEST, ArraySpec, cache_root, cached_arrays
from tests.time_limit import limited

SPECS = {"picture": ArraySpec((5, 3, 4), "|u1"), "depth": ArraySpec((5, 4), "<u2")}
MADE_FROM = {"version": 1, "seed": 0}
EXPECTED = {
    "picture": np.arange(60, dtype=np.uint8).reshape(5, 3, 4),
    "depth": np.arange(1000, 1020, dtype=np.uint16).reshape(5, 4),
}


class Maker:
    """Makes the arrays in batches of two rows, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Iterator[dict[str, np.ndarray]]:
        self.calls += 1
        for start in range(0, 5, 2):
            yield {name: array[start : start + 2] for name, array in EXPECTED.items()}


def check(arrays: dict[str, np.ndarray]) -> None:
    assert arrays.keys() == EXPECTED.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, EXPECTED[name])
        assert array.dtype == EXPECTED[name].dtype
        assert not array.flags.writeable


def drafts(folder: Path) -> list[Path]:
    return [path for path in folder.parent.iterdir() if path != folder]


def test_arrays_are_made_once_and_then_read(tmp_path: Path) -> None:
    folder, maker = tmp_path / "deep" / "entry", Maker()
    first = cached_arrays(folder, MADE_FROM, SPECS, maker)
    second = cached_arrays(folder, MADE_FROM, SPECS, maker)
    check(first)
    check(second)
    assert maker.calls == 1
    assert all(isinstance(array, np.memmap) for array in (*first.values(), *second.values()))
    assert drafts(folder) == []


def test_files_are_plain_npy_with_a_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    cached_arrays(folder, MADE_FROM, SPECS, Maker())
    np.testing.assert_array_equal(np.load(folder / "depth.npy", allow_pickle=False), EXPECTED["depth"])
    checksums = {name: zlib.crc32(array.tobytes()) for name, array in EXPECTED.items()}
    assert json.loads((folder / MANIFEST).read_text()) == {"made_from": MADE_FROM, "checksums": checksums}


def cut_short(folder: Path) -> None:
    content = (folder / "picture.npy").read_bytes()
    (folder / "picture.npy").write_bytes(content[:-7])


def add_a_byte(folder: Path) -> None:
    with (folder / "depth.npy").open("ab") as file:
        file.write(b"x")


def empty_file(folder: Path) -> None:
    (folder / "picture.npy").write_bytes(b"")


def remove_array(folder: Path) -> None:
    (folder / "depth.npy").unlink()


def remove_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def cut_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:30])


def replace_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1, 2]")


def change_version(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["made_from"]["version"] = 0
    (folder / MANIFEST).write_text(json.dumps(manifest))


def pickle_objects(folder: Path) -> None:
    np.save(folder / "depth.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def turn_the_order(folder: Path) -> None:
    """The header says that the numbers lie column by column."""
    path = folder / "depth.npy"
    path.write_bytes(path.read_bytes().replace(b"False", b"True "))


def become_a_pipe(folder: Path) -> None:
    """That nobody writes into."""
    (folder / "depth.npy").unlink()
    os.mkfifo(folder / "depth.npy")


def manifest_as_a_pipe(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)


def become_a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


@pytest.mark.parametrize(
    "damage",
    [
        add_a_byte,
        cut_short,
        empty_file,
        remove_array,
        remove_manifest,
        cut_manifest,
        replace_manifest,
        change_version,
        pickle_objects,
        become_a_file,
        turn_the_order,
        become_a_pipe,
        manifest_as_a_pipe,
    ],
)
def test_a_damaged_or_outdated_entry_is_made_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder, maker = tmp_path / "entry", Maker()
    cached_arrays(folder, MADE_FROM, SPECS, maker)
    damage(folder)
    with limited(10):
        check(cached_arrays(folder, MADE_FROM, SPECS, maker))
    assert maker.calls == 2
    check(cached_arrays(folder, MADE_FROM, SPECS, maker))  # and the new one is trusted
    assert maker.calls == 2
    assert drafts(folder) == []


def test_a_changed_byte_is_found_where_it_is_looked_for(tmp_path: Path) -> None:
    folder, maker = tmp_path / "entry", Maker()
    cached_arrays(folder, MADE_FROM, SPECS, maker, verify=True)
    check(cached_arrays(folder, MADE_FROM, SPECS, maker, verify=True))
    assert maker.calls == 1
    content = bytearray((folder / "depth.npy").read_bytes())
    content[-1] ^= 1
    (folder / "depth.npy").write_bytes(content)
    check(cached_arrays(folder, MADE_FROM, SPECS, maker, verify=True))
    assert maker.calls == 2


def test_other_shapes_are_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    narrow = {"depth": ArraySpec((5, 2), "<u2")}
    cached_arrays(folder, MADE_FROM, narrow, lambda: [{"depth": EXPECTED["depth"][:, :2]}])
    check(cached_arrays(folder, MADE_FROM, SPECS, Maker()))


def test_a_split_without_samples_is_an_entry_too(tmp_path: Path) -> None:
    specs = {"depth": ArraySpec((0, 4), "<u2")}
    for _ in range(2):
        assert cached_arrays(tmp_path / "entry", MADE_FROM, specs, lambda: [])["depth"].shape == (0, 4)


def test_arrays_that_were_opened_survive_a_rebuild(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    opened = cached_arrays(folder, MADE_FROM, SPECS, Maker())
    newer = {**MADE_FROM, "version": 2}
    other = [{name: array * 0 for name, array in EXPECTED.items()}]
    assert not cached_arrays(folder, newer, SPECS, lambda: other)["depth"].any()
    check(opened)


def test_the_quicker_of_two_wins_and_the_slower_does_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "entry"

    def overtaken() -> Iterator[dict[str, np.ndarray]]:
        check(cached_arrays(folder, MADE_FROM, SPECS, Maker()))
        yield from Maker()()

    check(cached_arrays(folder, MADE_FROM, SPECS, overtaken))
    check(cached_arrays(folder, MADE_FROM, SPECS, Maker()))
    assert drafts(folder) == []


def test_processes_may_fill_one_entry_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    cached_arrays(folder, {"version": 0}, SPECS, Maker())  # an outdated one, which all want to replace
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()

    def fill() -> None:
        barrier.wait()
        arrays = cached_arrays(folder, MADE_FROM, SPECS, Maker())
        results.put(all(np.array_equal(arrays[name], EXPECTED[name]) for name in SPECS))

    processes = [context.Process(target=fill) for _ in range(4)]
    for process in processes:
        process.start()
    assert [results.get(timeout=60) for _ in processes] == [True] * 4
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    maker = Maker()
    check(cached_arrays(folder, MADE_FROM, SPECS, maker))
    assert maker.calls == 0
    assert drafts(folder) == []


def test_an_outdated_entry_that_another_takes_away_meanwhile_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "entry"
    cached_arrays(folder, {"version": 0}, SPECS, Maker())
    rename, taken = Path.rename, []

    def raced(self: Path, target: Path) -> Path:
        if self == folder and not taken:
            taken.append(shutil.rmtree(folder))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", raced)
    check(cached_arrays(folder, MADE_FROM, SPECS, Maker()))
    assert taken
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]


def test_a_failure_while_making_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[dict[str, np.ndarray]]:
        yield {name: array[:2] for name, array in EXPECTED.items()}
        raise RuntimeError("the renderer broke")

    with pytest.raises(RuntimeError, match="the renderer broke"):
        cached_arrays(tmp_path / "entry", MADE_FROM, SPECS, broken)
    assert list(tmp_path.iterdir()) == []


def test_too_few_rows_are_not_stored(tmp_path: Path) -> None:
    def short() -> list[dict[str, np.ndarray]]:
        return [{name: array[:3] for name, array in EXPECTED.items()}]

    with pytest.raises(ValueError, match="picture"):
        cached_arrays(tmp_path / "entry", MADE_FROM, SPECS, short)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_said_and_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "entry"
    with pytest.warns(UserWarning, match=r"file.entry cannot be used.*CNNLIB_CACHE"):
        arrays = cached_arrays(folder, MADE_FROM, SPECS, Maker())
    check(arrays)


def test_a_full_disk_is_said_and_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        arrays = cached_arrays(tmp_path / "entry", MADE_FROM, SPECS, Maker())
    check(arrays)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    old, young, other = (tmp_path / name for name in (".entry-old", ".entry-young", ".another-old"))
    for draft in (old, young, other):
        draft.mkdir()
    yesterday = time.time() - 25 * 3600
    for draft in (old, other):
        os.utime(draft, (yesterday, yesterday))
    cached_arrays(tmp_path / "entry", MADE_FROM, SPECS, Maker())
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CNNLIB_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_root() == tmp_path / ".cache" / "cnnlib"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_root() == tmp_path / "xdg" / "cnnlib"
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    assert cache_root("~/mine") == tmp_path / "mine"
