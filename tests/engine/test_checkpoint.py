from __future__ import annotations

import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

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
    save_checkpoint(path, {"net": NET, "model": {}, "epoch": 1})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"net": NET, "model": {}, "epoch": 2})
    assert load_checkpoint(path, NET) == {"net": NET, "model": {}, "epoch": 1}
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
    with pytest.raises(CnnlibError, match="not a readable checkpoint") as caught:
        load_checkpoint(tmp_path / "best.ckpt", NET)
    assert not (tmp_path / "trapped").exists()
    assert "weights_only" not in str(caught.value)  # PyTorch's advice is to run what is in the file
    assert "safe_globals" not in str(caught.value)


def test_no_flipped_bit_is_believed(tmp_path: Path) -> None:
    path, draw = tmp_path / "last.ckpt", random.Random(0)
    state = {
        "net": NET,
        "model": {f"layer{i}.weight": torch.rand(6, 5) for i in range(4)},
        "optimizer": {
            "state": {i: {"step": torch.tensor(3.0), "exp_avg": torch.rand(6, 5)} for i in range(4)}
        },
        "state": {"epoch": 3, "history": [{"loss": 0.5}]},
    }
    save_checkpoint(path, state)
    whole, refused = path.read_bytes(), 0
    for bit in draw.sample(range(8 * len(whole)), 600):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            loaded = load_checkpoint(path, NET)
        except CnnlibError as error:
            loaded = state
            refused += str(path) in str(error)
        assert equal(loaded, state), f"bit {bit}"
    assert refused > 300  # the others are padding, dates and the like


def equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    return one == other


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"abc",
        b"\x80\x02",
        b"\x80\x02h\x05.",
        b"\x80\x02]K\x01K\x02s.",
        b"\x80\x02X\x02\0\0\0\xff\xfe.",
        b"\x80\x02(0.",
    ],
    ids=repr,
)
def test_what_is_no_pickle_is_an_error_that_names_the_file(tmp_path: Path, pickled: bytes) -> None:
    """With checksums that are right: made by somebody, not by a failing disk."""
    path = tmp_path / "best.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("best/data.pkl", pickled)
        archive.writestr("best/version", "3\n")
    with pytest.raises(CnnlibError, match=r"best\.ckpt: not a readable checkpoint"):
        load_checkpoint(path, NET)


@pytest.mark.parametrize(
    "state",
    [
        {"x": 1},
        [1],
        torch.ones(2),
        {"net": NET},
        {"net": 3, "model": {}},
        {"net": NET, "model": [1]},
        {"net": NET, "model": {"weight": 1.0}},
        {"net": NET, "model": {0: torch.ones(2)}},
    ],
    ids=str,
)
def test_what_is_no_state_of_a_net_is_refused(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "best.ckpt")
    with pytest.raises(CnnlibError, match=r"best\.ckpt: not a checkpoint of cnnlib"):
        load_checkpoint(tmp_path / "best.ckpt")


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "best.ckpt", {"net": "another net", "model": {}})
    with pytest.raises(
        CnnlibError, match=r"best\.ckpt: holds the weights of another net.*describes resunet\("
    ):
        load_checkpoint(tmp_path / "best.ckpt", NET)
