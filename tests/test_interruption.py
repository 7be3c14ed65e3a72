"""Ctrl-C, SIGTERM and SIGHUP, as a terminal or a scheduler sends them: to all processes of a command, maybe twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.datasets.composites.made_pictures import write_pictures
from tests.tiny_suite import TINY, session_of, write_suite
from tools.run_suite import main as run_suite

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TOOLS = sorted((Path(__file__).parent.parent / "tools").glob("*.py"))


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for the command's temporary files, with a name as short as that of a socket must be."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def start(command: list[str | Path], temporary: Path, project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=project,
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[1]


def has_handler(process: subprocess.Popen[str], number: int) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(re.search(r"SigCgt:\s*(\w+)", status)[1], 16) >> number - 1 & 1)


def assert_ended(process: subprocess.Popen[str], number: int, temporary: Path) -> str:
    """With one line and the right exit code; nothing runs on, and no folder is left among the temporary files."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert out == ""
    lines = [line for line in err.splitlines() if not re.match(r"tiny seed|\[?\d+/|finished before", line)]
    assert len(lines) == 1, err
    assert lines[0].startswith(f"interrupted by {signal.Signals(number).name}")
    deadline = time.monotonic() + 30
    while (left := session_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert not list(temporary.glob("pymp-*"))
    return lines[0]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("number", "again"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, False)],
    ids=["Ctrl-C twice", "SIGTERM", "SIGHUP"],
)
def test_a_suite_with_two_runs_and_four_loaders_ends_in_one_line(
    tmp_path: Path, temporary: Path, project: Path, number: int, again: bool
) -> None:
    training = TINY["training"] | {"epochs": 500, "workers": 2}
    path = write_suite(tmp_path, seeds=[0, 1], training=training)
    command = ["tools/run_suite.py", path, "--out", tmp_path / "runs", "--jobs", "2"]
    process = start(command, temporary, project)
    wait_until(lambda: len(list(tmp_path.glob("runs/tiny/tiny/*/metrics.csv"))) == 2, process)
    os.killpg(process.pid, number)
    if again:
        time.sleep(0.2)
        if process.poll() is None:
            os.killpg(process.pid, number)
    assert "the same command goes on from here" in assert_ended(process, number, temporary)
    # No run is noted as failed.
    assert not list((tmp_path / "runs").rglob("result.json"))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_command_that_is_still_importing_ends_in_one_line(
    temporary: Path, project: Path, number: signal.Signals
) -> None:
    process = start(["tools/predict.py", "run", "picture.png", "--out", "out"], temporary, project)
    wait_until(lambda: has_handler(process, number), process)
    # The command is importing PyTorch then.
    time.sleep(0.3)
    process.send_signal(number)
    assert_ended(process, number, temporary)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_command_that_predicts_ends_in_one_line_and_leaves_no_half_archive(
    run: Path, tmp_path: Path, temporary: Path, project: Path
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for index in range(2000):
        (photos / f"{index}.png").symlink_to(run / "photo.png")
    options = ["--background", run / "photo.png", "--out", out, "--format", "zip"]
    process = start(["tools/predict.py", run, photos, *options], temporary, project)
    wait_until(lambda: any(path.stat().st_size for path in out.glob(".*.partial")), process)
    process.send_signal(signal.SIGHUP)
    assert_ended(process, signal.SIGHUP, temporary)
    assert not list(out.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained run, with a photo in it."""
    folder = tmp_path_factory.mktemp("trained")
    path = write_suite(folder, training=TINY["training"] | {"epochs": 1})
    assert run_suite([str(path), "--out", str(folder / "runs")]) == 0
    trained = folder / "runs" / "tiny" / "tiny" / "seed-0"
    Image.new("RGB", (32, 32)).save(trained / "photo.png")
    return trained


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_two_processes_that_write_composites_end_in_one_line(
    tmp_path: Path, temporary: Path, project: Path
) -> None:
    root, out = write_pictures(tmp_path), tmp_path / "out"
    options = {"foregrounds": "fg", "backgrounds": "bg", "depths": "depth", "cache_dir": "cache"}
    dataset = {"name": "composite", **{key: str(root / place) for key, place in options.items()}}
    path = write_suite(tmp_path, dataset=dataset | {"size": 32, "positions": 100, "val": 0.2, "test": 0.2})
    process = start(["tools/make_dataset.py", path, "--out", out, "--jobs", "2"], temporary, project)
    wait_until(lambda: any((out / "fg_bg").glob("*.jpg")), process)
    os.killpg(process.pid, signal.SIGHUP)
    assert_ended(process, signal.SIGHUP, temporary)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_no_signal_is_taken_for_an_error(temporary: Path, project: Path, number: signal.Signals) -> None:
    code = (
        "import os, sys; from cnnlib.interruption import end_in_one_line; end_in_one_line()\n"
        f"try: os.kill(os.getpid(), {number})\n"
        "except (Exception, SystemExit, KeyboardInterrupt): print('went on')"
    )
    assert_ended(start(["-c", code], temporary, project), number, temporary)


def test_the_line_is_said_once_where_closing_takes_too_long(temporary: Path, project: Path) -> None:
    code = (
        "import atexit, os, time; from cnnlib import interruption; interruption._PATIENCE = 1\n"
        "interruption.end_in_one_line()\n"
        f"atexit.register(time.sleep, 100); os.kill(os.getpid(), {signal.SIGTERM})"
    )
    assert_ended(start(["-c", code], temporary, project), signal.SIGTERM, temporary)


START = """
import os, signal
from multiprocessing import forkserver
from cnnlib.interruption import end_in_one_line
from cnnlib.processes import start_fork_server
end_in_one_line()
begin = forkserver.ensure_running
forkserver.ensure_running = lambda: (os.kill(os.getpid(), {number}), begin())
"""


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_that_comes_while_the_fork_server_starts_is_not_lost(
    temporary: Path, project: Path, number: signal.Signals
) -> None:
    code = START.format(number=number) + "start_fork_server(); print('went on')"
    assert_ended(start(["-c", code], temporary, project), number, temporary)


def test_ctrl_c_after_a_signal_that_came_while_the_fork_server_starts_changes_nothing(
    temporary: Path, project: Path
) -> None:
    code = START.format(number=signal.SIGTERM) + (
        "try: start_fork_server()\nfinally: os.kill(os.getpid(), signal.SIGINT)"
    )
    assert_ended(start(["-c", code], temporary, project), signal.SIGTERM, temporary)


def test_outside_code_that_is_being_imported_can_be_interrupted(
    tmp_path: Path, temporary: Path, project: Path
) -> None:
    """Its own errors, and ``SystemExit``, become messages."""
    (tmp_path / "slow.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    code = (
        "import os, sys; from cnnlib.interruption import end_in_one_line; end_in_one_line()\n"
        f"os.chdir({str(tmp_path)!r}); from cnnlib.lookup import find\n"
        "try: find('slow.Loss', {}, 'loss', (object,))\n"
        "except Exception as error: print(error)"
    )
    assert_ended(start(["-c", code], temporary, project), signal.SIGTERM, temporary)


@pytest.mark.parametrize(
    "moment",
    [
        "threading.Thread(target=lambda: (threading.main_thread().join(), interrupt(), time.sleep(0.1))).start()",
        "atexit.register(interrupt)",
        # Its end comes after what atexit holds, when Python empties the modules.
        "last = type('Last', (), {'__del__': lambda self, interrupt=interrupt: interrupt()})()",
    ],
    ids=["while threads are joined", "in what atexit holds", "while modules are emptied"],
)
def test_a_signal_that_comes_while_python_shuts_down_changes_nothing(
    temporary: Path, project: Path, moment: str
) -> None:
    """The work is done."""
    code = (
        "import atexit, os, threading, time; from cnnlib.interruption import end_in_one_line; end_in_one_line()\n"
        "interrupt = lambda kill=os.kill, pid=os.getpid(), write=os.write: "
        f"(kill(pid, {signal.SIGTERM}), write(1, b'sent'))\n"
        f"{moment}"
    )
    process = start(["-c", code], temporary, project)
    assert process.communicate(timeout=60) == ("sent", "")
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_signal_that_is_ignored_stays_so(temporary: Path, project: Path) -> None:
    """As below nohup."""
    code = (
        "import signal, os; signal.signal(signal.SIGHUP, signal.SIG_IGN);"
        "from cnnlib.interruption import end_in_one_line; end_in_one_line();"
        "os.kill(os.getpid(), signal.SIGHUP); os.kill(os.getpid(), signal.SIGTERM)"
    )
    assert_ended(start(["-c", code], temporary, project), signal.SIGTERM, temporary)


@pytest.mark.parametrize("path", TOOLS, ids=lambda path: path.name)
def test_every_tool_is_ready_before_its_imports(path: Path) -> None:
    code = path.read_text().partition("from __future__ import annotations\n")[2]
    begin = r"\nfrom cnnlib\.interruption import end_in_one_line\n\nif __name__ == \"__main__\":\n    end_in_one_line\("
    assert re.match(begin, code)
