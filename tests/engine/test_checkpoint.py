from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from cnnlib.engine.checkpoint import load_checkpoint, save_checkpoint
from cnnlib.types import CnnlibError

NET = "resunet(widths=(4, 8)) from 6 channels to mask map 1"


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    state = {
        "net": NET,
        "model": {"weight": torch.arange(3.0)},
        "epoch": 3,
        "history": [{"loss": 0.5}],
        "none": None,
    }
    save_checkpoint(tmp_path / "new" / "last.ckpt", state)
    loaded = load_checkpoint(tmp_path / "new" / "last.ckpt", NET)
    assert torch.equal(loaded.pop("model")["weight"], state.pop("model")["weight"])
    assert loaded == state


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"net": NET, "epoch": 1})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"net": NET, "epoch": 2})
    assert load_checkpoint(path, NET) == {"net": NET, "epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [0, 10, 300], ids=lambda keep: f"{keep} bytes")
def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "last.ckpt"
    save_checkpoint(path, {"weight": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CnnlibError, match=r"last\.ckpt: not a readable checkpoint"):
        load_checkpoint(path, NET)


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CnnlibError, match=r"best\.ckpt: no such checkpoint"):
        load_checkpoint(tmp_path / "best.ckpt", NET)


class Trap:
    def __reduce__(self) -> tuple:
        return (os.mkdir, ("trapped",))


@pytest.mark.parametrize(
    "save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))]
)
def test_a_checkpoint_runs_nobodys_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save) -> None:
    monkeypatch.chdir(tmp_path)
    save({"model": Trap()}, tmp_path / "best.ckpt")
    with pytest.raises(CnnlibError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "best.ckpt", NET)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(
    "state", [{"net": "another net", "model": {}}, {"model": {}}, [1], torch.ones(2)], ids=str
)
def test_weights_of_another_net_are_refused(tmp_path: Path, state: object) -> None:
    save_checkpoint(tmp_path / "best.ckpt", state)
    with pytest.raises(
        CnnlibError, match=r"best\.ckpt: holds the weights of another net.*describes resunet\("
    ):
        load_checkpoint(tmp_path / "best.ckpt", NET)
