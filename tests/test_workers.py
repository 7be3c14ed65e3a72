from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import pytest
import torch

from cnnlib import workers
from cnnlib.types import CnnlibError
from cnnlib.workers import run_in_processes, usable_cores


def work(job: tuple[str, Path]) -> None:
    kind, folder = job
    (folder / f"{kind}.started").write_text(str(os.getpid()))
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "fail":
        raise SystemExit(3)
    if kind == "sleep":
        time.sleep(60)
    (folder / f"{kind}.threads").write_text(str(torch.get_num_threads()))


def test_a_crash_takes_nothing_with_it(tmp_path: Path) -> None:
    jobs = [(kind, tmp_path) for kind in ("crash", "fail", "good")]
    codes = {job[0]: code for job, code in run_in_processes(work, jobs, parallel=1)}
    assert codes == {"crash": -signal.SIGKILL, "fail": 3, "good": 0}


@pytest.mark.parametrize("parallel", [1, 2])
def test_jobs_share_the_cores(tmp_path: Path, parallel: int) -> None:
    jobs = [(kind, tmp_path) for kind in ("one", "two", "three")]
    assert all(code == 0 for _, code in run_in_processes(work, jobs, parallel))
    expected = max(1, min(usable_cores() // parallel, torch.get_num_threads()))
    assert {path.read_text() for path in tmp_path.glob("*.threads")} == {str(expected)}


def test_a_job_waits_for_the_one_that_it_needs(tmp_path: Path) -> None:
    """Even where that stands after it, or dies; and two that wait for each other are an error."""
    needs = {"three": "two", "two": "crash", "stranger": "nobody"}
    jobs = [(kind, tmp_path) for kind in ("three", "two", "crash", "stranger")]

    def must_wait(job: tuple[str, Path], unfinished: list[tuple[str, Path]]) -> bool:
        return any(needs.get(job[0]) == other for other, _ in unfinished)

    ended = [job[0] for job, _ in run_in_processes(work, jobs, 2, must_wait)]
    assert sorted(ended) == ["crash", "stranger", "three", "two"]
    assert ended.index("crash") < ended.index("two") < ended.index("three")
    needs["crash"] = "three"
    with pytest.raises(ValueError, match="wait for each other"):
        list(run_in_processes(work, jobs[:3], 2, must_wait))


def test_leaving_early_ends_what_runs(tmp_path: Path) -> None:
    running = run_in_processes(work, [("good", tmp_path), ("sleep", tmp_path)], parallel=2)
    next(running)
    wait_for(tmp_path / "sleep.started")
    began = time.monotonic()
    running.close()
    assert time.monotonic() - began < 30
    assert not alive(int((tmp_path / "sleep.started").read_text()))


def test_a_killed_parent_leaves_no_run_behind(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.test_workers import work; "
        "from cnnlib.workers import run_in_processes; "
        "list(run_in_processes(work, [('sleep', Path(sys.argv[1]))], 1))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=Path(__file__).parent.parent)
    wait_for(tmp_path / "sleep.started")
    parent.kill()
    parent.wait()
    child = int((tmp_path / "sleep.started").read_text())
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(child)


def test_a_fork_server_that_is_killed_at_the_start_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, killed = workers.start_fork_server, []

    def killed_once() -> None:
        begin()
        if not killed:
            killed.append(forkserver._forkserver._forkserver_pid)
            # It is about to import: what it was asked for is never answered.
            threading.Timer(0.3, os.kill, (killed[0], signal.SIGKILL)).start()

    forkserver._forkserver._stop()
    monkeypatch.setattr(workers, "start_fork_server", killed_once)
    jobs = [("good", tmp_path), ("fail", tmp_path)]
    assert [code for _, code in run_in_processes(work, jobs, parallel=1)] == [0, 3]
    assert killed


def tell_signals(folder: Path) -> None:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    (folder / "signals").write_text(f"{sorted(blocked)} {signal.getsignal(signal.SIGINT)!r}")


def test_ctrl_c_does_not_end_a_fork_server_that_imports_nor_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, interrupted = workers.start_fork_server, []

    def interrupt() -> None:
        begin()
        interrupted.append(forkserver._forkserver._forkserver_pid)
        os.kill(interrupted[-1], signal.SIGINT)

    forkserver._forkserver._stop()
    monkeypatch.setattr(workers, "start_fork_server", interrupt)
    assert [code for _, code in run_in_processes(tell_signals, [tmp_path], parallel=1)] == [0]
    assert interrupted == [forkserver._forkserver._forkserver_pid]
    # Blocked, it could not end programs that a run starts.
    assert (tmp_path / "signals").read_text() == f"[] {signal.SIG_IGN!r}"
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_fork_server_that_is_killed_always_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = workers.start_fork_server

    def killed() -> None:
        begin()
        threading.Timer(0.3, os.kill, (forkserver._forkserver._forkserver_pid, signal.SIGKILL)).start()

    forkserver._forkserver._stop()
    monkeypatch.setattr(workers, "start_fork_server", killed)
    with pytest.raises(CnnlibError, match="no process can be started"):
        list(run_in_processes(work, [("good", tmp_path)], parallel=1))


def test_a_run_whose_fork_server_dies_is_ended(tmp_path: Path) -> None:
    """Nobody could tell how it ends."""
    running = run_in_processes(work, [("good", tmp_path), ("sleep", tmp_path), ("three", tmp_path)], 2)
    next(running)
    wait_for(tmp_path / "sleep.started")
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    codes = {job[0]: code for job, code in running}
    assert codes["sleep"] == 255
    assert not alive(int((tmp_path / "sleep.started").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", ["the fork server dies", "the iterator is closed"])
def test_a_process_that_was_given_the_pid_of_a_run_is_left_alone(tmp_path: Path, end: str) -> None:
    running = run_in_processes(work, [("good", tmp_path), ("sleep", tmp_path)], 2)
    next(running)
    wait_for(tmp_path / "sleep.started")
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (process,) = multiprocessing.active_children()
        run, process._popen.pid = process.pid, stranger.pid
        if end == "the fork server dies":
            os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
            assert [code for _, code in running] == [255]
            os.kill(run, signal.SIGKILL)
        else:
            os.kill(run, signal.SIGKILL)
            running.close()
        left_alone = stranger.poll() is None and alive(stranger.pid)
        stranger.kill()
    assert left_alone


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert path.exists()


def alive(pid: int) -> bool:
    """Running, and not a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1),
        ({"cpu.max": "400000 100000\n"}, 4),
        ({"cpu.max": "50000 100000\n"}, 1),  # half a core is one process
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_a_container(files: dict[str, str], expected: int | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert workers._quota(tmp_path) == expected


def test_usable_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(7)), raising=False)
    monkeypatch.setattr(workers, "_CGROUP", tmp_path)
    assert usable_cores() == 7
    monkeypatch.setattr(workers, "_runs_at_a_time", 2)
    assert usable_cores() == 3
    (tmp_path / "cpu.max").write_text("100000 100000")
    assert usable_cores() == 1
