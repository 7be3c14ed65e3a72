"""Shards: nothing is lost, nothing comes twice, and what is damaged is named."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image
from torch.utils.data import DataLoader

from cnnlib.datasets import Scenes, Shards
from cnnlib.datasets.collation import collate
from cnnlib.datasets.loading import EpochSampler, SeededSamples, training_loader
from cnnlib.datasets.shards.writer import write_shards
from cnnlib.datasets.splits import sample_info
from cnnlib.files import locked
from cnnlib.tasks import TASKS
from cnnlib.types import CnnlibError, DataSource, Sample, Target, TargetInfo
from tests.datasets.composites.made_pictures import write_pictures
from tests.datasets.pictures import PARTS
from tests.datasets.test_contract import EXAMPLES
from tests.datasets.two_loading_processes import EPOCHS, launch
from tests.time_limit import limited
from tests.tiny_suite import write_suite
from tools.make_shards import main

COUNTS = {"train": 23, "val": 4, "test": 3}


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes(size=16, **COUNTS)


@pytest.fixture(scope="module")
def written(scenes: Scenes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of training samples, of 10, 10 and 3."""
    folder = tmp_path_factory.mktemp("shards")
    write_shards(scenes, folder, {}, samples_per_shard=10)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    return tmp_path


class Odd:
    """One sample in each split, given."""

    inputs = {"a.b": 3, "infra/red": 1, "stack": 5}  # noqa: RUF012
    size = None

    def __init__(self, sample: Sample, **targets: TargetInfo) -> None:
        self.targets = targets
        self.sample = sample

    def split(self, part: str) -> list[Sample]:
        return [self.sample | {"name": part}]


class Plain(Odd):
    """One picture."""

    inputs = {"image": 3}  # noqa: RUF012


def assert_equal_where_valid(one: Target, other: Target, info: TargetInfo, size: tuple[int, int]) -> None:
    task = TASKS[info.kind](info=info)
    (value, valid), (found, found_valid) = task.check(one, size), task.check(other, size)
    assert torch.equal(valid, found_valid)
    assert value.dtype == found.dtype
    spread = valid[..., None] if info.kind == "points" else valid
    assert torch.equal(value.masked_fill(~spread, 0), found.masked_fill(~spread, 0))


def assert_same_samples(source: DataSource, shards: Shards) -> None:
    assert (dict(shards.inputs), dict(shards.targets)) == (dict(source.inputs), dict(source.targets))
    assert (shards.size, shards.fit) == (source.size, getattr(source, "fit", "stretch"))
    for part in PARTS:
        one, other = source.split(part), shards.split(part)
        assert len(one) == len(other)
        for index in range(len(one)):
            sample, found = one[index], other[index]
            assert sample.keys() == found.keys()
            assert torch.equal(sample["image"], found["image"])
            assert sample["name"] == found["name"]
            assert sample.get("group") == found.get("group") == other.group(index)
            assert sample_info(one, "label_class", index) == other.label_class(index)
            size = tuple(sample["image"].shape[-2:])
            for key in source.targets.keys() & sample.keys():
                assert_equal_where_valid(sample[key], found[key], source.targets[key], size)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in ("phones", "feet", "shards")])
def test_every_data_set_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    source = EXAMPLES[name](tmp_path / "files")
    write_shards(source, tmp_path / "shards", {}, samples_per_shard=4)
    assert_same_samples(source, Shards(str(tmp_path / "shards")))


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_odd_inputs_and_targets_come_back_too(image_format: str, tmp_path: Path) -> None:
    """Names with dots and slashes, pictures of 1 and 5 channels, floats; classes above 255; NaN where not valid."""
    random = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (9, 6, 7), generator=random).float() / 255
    depth = torch.rand(1, 6, 7, generator=random)
    classes = torch.randint(0, 300, (1, 6, 7), generator=random)
    classes[0, 0] = 255
    steps = torch.arange(42).view(1, 6, 7) // 4
    points = torch.tensor([[1.23456789, 2.0], [torch.nan, 5.0]])
    sample = {
        "image": levels,
        "depth.raw": Target(depth, depth > 0.3),
        "steps": Target(steps.float() * np.float32(0.0123), None),
        "classes": Target(classes, classes != 255),
        "points": Target(points, torch.tensor([True, False])),
        "tags": Target(torch.tensor([0.0, 1.0, 0.0]), torch.tensor([True, True, False])),
        "group": "ä/b",
    }
    infos = {
        "depth.raw": TargetInfo("depth"),
        "steps": TargetInfo("depth"),
        "classes": TargetInfo("semantic", names=tuple(map(str, range(300)))),
        "points": TargetInfo("points", names=("a", "b")),
        "tags": TargetInfo("label", names=("x", "y", "z"), multi_label=True),
        "mask": TargetInfo("mask"),  # which no sample has
    }
    source = Odd(sample, **infos)
    write_shards(source, tmp_path / "levels", {}, image_format=image_format)
    assert_same_samples(source, Shards(str(tmp_path / "levels")))
    source.sample |= {"image": torch.rand(9, 6, 7, generator=random)}
    write_shards(source, tmp_path / "floats", {}, image_format=image_format)
    assert_same_samples(source, Shards(str(tmp_path / "floats")))


def test_jpeg_is_near(scenes: Scenes, tmp_path: Path) -> None:
    write_shards(scenes, tmp_path, {}, image_format="jpg")
    one, other = scenes.split("val")[0], Shards(str(tmp_path)).split("val")[0]
    assert 0 < (one["image"] - other["image"]).abs().mean() < 0.03
    assert torch.equal(one["mask"].value, other["mask"].value)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves them open
def test_webdataset_reads_them(scenes: Scenes, written: Path) -> None:
    urls = [str(written / f"train-{number:06d}.tar") for number in range(3)]
    read = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb"))
    split = scenes.split("train")
    assert [sample["json"]["name"] for sample in read] == [split[index]["name"] for index in range(23)]
    picture = torch.from_numpy(read[7]["input.fg_bg.png"]).permute(2, 0, 1)
    assert torch.allclose(picture, split[7]["image"][3:], atol=1e-6)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves them open
def test_shards_that_webdataset_wrote_are_indexed_on_first_use(scenes: Scenes, folder: Path) -> None:
    """With another order of members, long names, folders, and no index."""
    for path in folder.glob("*.npz"):
        path.unlink()
    urls = [str(folder / f"train-{number:06d}.tar") for number in range(3)]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False))
    for path in folder.glob("train-*.tar"):
        path.unlink()
    with webdataset.ShardWriter(str(folder / "other-%02d.tar"), maxcount=8, verbose=0) as sink:
        for sample in samples:
            sink.write({**sample, "__key__": f"{'long' * 30}/a/{sample['__key__']}"})
    description = json.loads((folder / "shards.json").read_text())
    description["splits"]["train"] = [f"other-{number:02d}.tar" for number in range(3)]
    (folder / "shards.json").write_text(json.dumps(description))
    assert_same_samples(scenes, Shards(str(folder)))
    assert (folder / "other-02.index.npz").exists()
    assert_same_samples(scenes, Shards(str(folder)))


def test_an_interrupted_call_is_gone_on_with(
    scenes: Scenes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    kept = (folder / "train-000000.tar").stat().st_mtime_ns
    (folder / "train-000001.tar").unlink()
    (folder / "test-000000.tar").unlink()
    (folder / ".train-000001.tar.1.partial").write_bytes(b"left by a kill")
    with pytest.raises(CnnlibError, match=r"2 shards are missing, such as train-000001.tar; .* goes on"):
        Shards(str(folder))
    assert write_shards(scenes, folder, {}, samples_per_shard=10, jobs=2) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert (folder / "train-000000.tar").stat().st_mtime_ns == kept
    with pytest.raises(CnnlibError, match="holds shards of other data, files or options"):
        write_shards(scenes, folder, {}, samples_per_shard=9)
    with pytest.raises(CnnlibError, match="holds shards of other data, files or options"):
        write_shards(Scenes(size=16, **COUNTS | {"val": 2}), folder, {}, samples_per_shard=10)


def test_files_that_have_changed_are_not_mixed_with_those_before(tmp_path: Path) -> None:
    out, root = tmp_path / "shards", tmp_path / "files"
    root.mkdir()
    source = EXAMPLES["folders"](root)
    write_shards(source, out, {}, samples_per_shard=2)
    (out / "train-000000.tar").unlink()
    path = source.split("val").files(0)[0]
    path.write_bytes(path.read_bytes())
    with pytest.raises(CnnlibError, match="holds shards of other data, files or options"):
        write_shards(source, out, {}, samples_per_shard=2)


@pytest.mark.parametrize("jobs", [0, 1])
def test_a_sample_that_cannot_be_read_is_named_and_leaves_nothing_half(jobs: int, tmp_path: Path) -> None:
    sample = {"image": torch.zeros(9, 4, 4), "mask": Target(torch.zeros(1, 4, 5))}
    with pytest.raises(CnnlibError, match=r"train-000000.tar: sample 'train': 'mask': the value must be"):
        write_shards(Odd(sample, mask=TargetInfo("mask")), tmp_path, {}, jobs=jobs)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "shards.json"}


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20000])


def cut_without_index(path: Path) -> None:
    cut(path)
    path.with_suffix(".index.npz").unlink()


def compress(path: Path) -> None:
    content = path.with_suffix(".index.npz")
    content.unlink()
    with tarfile.open(path) as archive:
        members = [(each, archive.extractfile(each)) for each in archive]
        with tarfile.open(path.with_name("new"), "w:gz") as other:
            for member, file in members:
                other.addfile(member, file)
    path.with_name("new").replace(path)


def without_json(path: Path) -> None:
    path.with_suffix(".index.npz").unlink()
    with webdataset.TarWriter(str(path)) as sink:
        sink.write({"__key__": "x", "input.bg.png": b""})


def break_index(path: Path) -> None:
    index = path.with_suffix(".index.npz")
    index.write_bytes(index.read_bytes()[:-100])


def rewrite_index(path: Path, **changes: np.ndarray) -> None:
    index = path.with_suffix(".index.npz")
    with np.load(index) as arrays:
        np.savez(index, **(dict(arrays) | changes))


def index_with_other_labels(path: Path) -> None:
    with np.load(path.with_suffix(".index.npz")) as arrays:
        labels = ~arrays["labels"]
    rewrite_index(path, labels=labels)


def index_of_another_form(path: Path) -> None:
    rewrite_index(path, start=np.zeros((4, 1), np.int64))


def index_beyond_the_end(path: Path) -> None:
    rewrite_index(path, stop=np.full(4, 2**62))


def index_as_a_pipe(path: Path) -> None:
    path.with_suffix(".index.npz").unlink()
    os.mkfifo(path.with_suffix(".index.npz"))


def description_as_a_pipe(path: Path) -> None:
    path.with_name("shards.json").unlink()
    os.mkfifo(path.with_name("shards.json"))


def description_of_files_elsewhere(path: Path) -> None:
    text = path.with_name("shards.json").read_text()
    path.with_name("shards.json").write_text(text.replace("val-0", f"../{path.parent.name}/val-0"))


def with_member(path: Path, suffix: str, change: Callable[[tarfile.TarInfo, bytes], bytes]) -> None:
    """All members that end so are changed; there is no index."""
    path.with_suffix(".index.npz").unlink()
    with tarfile.open(path) as archive:
        members = [(each, archive.extractfile(each).read()) for each in archive]
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for member, content in members:
            changed = change(member, content) if member.name.endswith(suffix) else content
            member.size = len(changed)
            archive.addfile(member, io.BytesIO(changed))


def wrong_checksum(path: Path) -> None:
    def change(_: tarfile.TarInfo, content: bytes) -> bytes:
        at = content.index(b"IEND") - 5
        return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]

    with_member(path, "input.bg.png", change)


def other_size(path: Path) -> None:
    small = io.BytesIO()
    Image.new("RGB", (8, 8)).save(small, "png")
    with_member(path, ".png", lambda *_: small.getvalue())


def with_gigabytes_of_zeros(path: Path) -> None:
    """A sparse file, of which a header says that it is 2 GiB long."""
    path.with_suffix(".index.npz").unlink()
    content = bytearray(path.read_bytes())
    content[156:157] = tarfile.GNUTYPE_SPARSE
    content[386:410] = b"00000000000\x00" + content[124:136]
    content[483:495] = b"\x80" + (2**31).to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\x00 " % sum(content[:512])
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip_a_byte, r"val-000000.tar: bytes 0 to \d+ are damaged"),
        (cut, r"val-000000.tar: has \d+ bytes; when val-000000.index.npz was made it had \d+"),
        (cut_without_index, r"val-000000.tar: (not readable as an uncompressed tar file|cut off)"),
        (compress, r"val-000000.tar: not readable as an uncompressed tar file"),
        (without_json, r"val-000000.tar: sample 'x' has no JSON member"),
        (break_index, r"val-000000.index.npz: damaged .*; delete it"),
        (index_with_other_labels, r"val-000000.tar: .* not those in val-000000.index.npz"),
        (index_of_another_form, r"val-000000.index.npz: damaged \(start is int64 \(4, 1\)\)"),
        (index_beyond_the_end, r"val-000000.index.npz: damaged \(samples that are outside"),
        (index_as_a_pipe, r"val-000000.index.npz: damaged .*must be a regular file"),
        (description_as_a_pipe, r"shards.json: must be a regular file"),
        (description_of_files_elsewhere, r"shards.json: the shard '.*' is not below"),
        (wrong_checksum, r"val-000000.tar: the sample at byte 0 .*the checksum of its IDAT chunk is wrong"),
        (other_size, r"val-000000.tar: the sample at byte 0 .*it has 8 x 8 pixels; expected 16 x 16"),
        (with_gigabytes_of_zeros, r"val-000000.tar: not readable .* is a sparse file"),
        (Path.unlink, r"1 shards are missing, such as val-000000.tar"),
    ],
)
def test_damage_is_named(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder / "val-000000.tar")
    with limited(10), pytest.raises(CnnlibError, match=message):
        Shards(str(folder)).split("val")[0]


def test_a_member_that_is_missing_or_no_picture_is_named(folder: Path) -> None:
    path = folder / "val-000000.tar"
    path.with_suffix(".index.npz").unlink()
    rest = {"__key__": "x", "json": b'{"name": "x", "targets": {}}', "input.bg.png": b"no picture"}
    with webdataset.TarWriter(str(path), encoder=False) as sink:
        sink.write(rest)
    with pytest.raises(CnnlibError, match=r"val-000000.tar: the sample at byte 0 .*it starts as none of"):
        Shards(str(folder)).split("val")[0]
    path.with_suffix(".index.npz").unlink()
    with webdataset.TarWriter(str(path), encoder=False) as sink:
        sink.write({key: value for key, value in rest.items() if key != "input.bg.png"})
    with pytest.raises(CnnlibError, match=r"samples that cannot be read: 1\n.*the sample at byte 0"):
        Shards(str(folder)).check()


def test_a_name_that_two_samples_have_is_found(folder: Path) -> None:
    description = json.loads((folder / "shards.json").read_text())
    description["splits"]["test"] = ["val-000000.tar"]
    (folder / "shards.json").write_text(json.dumps(description))
    with pytest.raises(CnnlibError, match=r"names that two samples have: 4\n +val-00000: in val and test"):
        Shards(str(folder)).check()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("{}", r"damaged \(data"), ("[", r"damaged \(the file: Invalid JSON")],
)
def test_a_folder_without_a_good_description_is_refused(
    content: str | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "shards.json").write_text(content)
    with pytest.raises(CnnlibError, match=f"shards.json: {message}"):
        Shards(str(tmp_path))


def names_seen(split: object, workers: int, rank: int, ranks: int, epoch: int) -> list[list[str]]:
    """By batch."""
    samples = SeededSamples(split, lambda sample: {"name": sample["name"]}, seed=5)
    sampler = EpochSampler(len(samples), 5, shuffle=True, epoch=epoch, rank=rank, ranks=ranks)
    context = "fork" if workers else None
    loader = DataLoader(
        samples, 2, sampler=sampler, collate_fn=collate, num_workers=workers, multiprocessing_context=context
    )
    return [batch["name"] for batch in loader]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks_and_workers_lose_and_repeat_nothing(written: Path, ranks: int, workers: int) -> None:
    """Step k of several processes has the samples of step k of one with larger batches: so resuming is the same."""
    split = Shards(str(written)).split("train")
    order = [split[index]["name"] for _, index in EpochSampler(23, 5, shuffle=True, epoch=2)]
    assert len(set(order)) == 23
    assert order != [split[index]["name"] for _, index in EpochSampler(23, 5, shuffle=True, epoch=3)]
    shares = [names_seen(split, workers, rank, ranks, epoch=2) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    for step, batches in enumerate(zip(*shares, strict=True)):
        together = sorted(name for batch in batches for name in batch)
        assert together == sorted(order[: 23 // ranks * ranks][2 * ranks * step : 2 * ranks * (step + 1)])


def test_a_process_of_a_group_loads_its_share(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = Shards(str(written)).split("train")
    group = {"is_initialized": lambda: True, "get_rank": lambda: 1, "get_world_size": lambda: 3}
    for name, value in group.items():
        monkeypatch.setattr(torch.distributed, name, value)
    sampler = training_loader(split, lambda sample: sample, 2, 0, seed=5).sampler
    assert list(sampler) == list(EpochSampler(23, 5, shuffle=True))[1:21:3]


@pytest.mark.slow
def test_two_processes_lose_and_repeat_nothing(written: Path, tmp_path: Path) -> None:
    """Of 23 samples each has 11; the one that is left over is another in each epoch."""
    names = {sample["name"] for sample in whole(written)}
    epochs = list(zip(*launch(written, tmp_path), strict=True))
    assert len(epochs) == EPOCHS
    for shares in epochs:
        assert [len(share) for share in shares] == [11, 11]
        assert len({*shares[0], *shares[1]}) == 22
    assert {name for shares in epochs for share in shares for name in share} == names
    assert len({tuple(shares[0]) for shares in epochs}) == EPOCHS


def whole(folder: Path) -> list[Sample]:
    split = Shards(str(folder)).split("train")
    return [split[index] for index in range(len(split))]


def test_the_tool_writes_what_a_config_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "shards"
    arguments = ["--out", str(out), "--samples-per-shard", "6", "--jobs", "2"]
    assert main([str(write_suite(tmp_path)), *arguments]) == 0
    assert capsys.readouterr().out.startswith("5 shards written; samples: train 16, val 4, test 5\n")
    assert_same_samples(Scenes(size=32, train=16, val=4, test=5), Shards(str(out)))
    assert main([str(write_suite(tmp_path)), *arguments, "--set", "dataset.repeat=2"]) == 0
    assert capsys.readouterr().out.startswith("0 shards written")
    assert main([str(write_suite(tmp_path)), *arguments, "--set", "dataset.seed=2"]) == 2
    assert "holds shards of other data" in capsys.readouterr().err
    assert main([str(write_suite(tmp_path)), *arguments, "--experiment", "tyni"]) == 2
    assert "no experiment is named 'tyni' (did you mean 'tiny'?)" in capsys.readouterr().err


def test_pictures_of_composites_and_tables_that_have_changed_are_not_mixed_with_those_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_pictures(tmp_path / "pictures")
    dataset = {
        "name": "composite",
        "foregrounds": str(root / "fg"),
        "backgrounds": str(root / "bg"),
        "size": 16,
    }
    dataset |= {"positions": 1, "apart": [], "cache_dir": str(tmp_path / "cache")}
    out = root / "bg" / "shards"  # what is written there is no change of the pictures
    out.mkdir()
    path = write_suite(tmp_path, dataset=dataset, tasks={"mask": {"loss": "bce"}})
    arguments = [str(path), "--out", str(out), "--jobs", "1"]
    assert main(arguments) == 0
    (out / "train-000000.tar").unlink()
    assert main(arguments) == 0
    shutil.copy(root / "bg" / "room_0.jpg", root / "bg" / "room_1.jpg")
    assert main(arguments) == 2
    assert "holds shards of other data, files or options" in capsys.readouterr().err


def test_two_processes_do_not_write_into_one_folder(scenes: Scenes, folder: Path) -> None:
    with locked(folder), pytest.raises(CnnlibError, match="another process writes shards in this folder"):
        write_shards(scenes, folder, {}, samples_per_shard=10)
    assert write_shards(scenes, folder, {}, samples_per_shard=10) == 0


def test_the_index_of_a_shard_that_was_deleted_is_not_believed(tmp_path: Path) -> None:
    sample = {"image": torch.zeros(3, 8, 8)}
    write_shards(Plain(sample), tmp_path, {})
    (tmp_path / "train-000000.tar").unlink()
    sample["image"] = torch.rand(3, 40, 40)  # of which the data set tells no file
    write_shards(Plain(sample), tmp_path, {})
    assert torch.equal(Shards(str(tmp_path)).split("train")[0]["image"], sample["image"])


def test_without_webdataset_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "webdataset", None)
    with pytest.raises(CnnlibError, match=r"pip install 'cnnlib\[shards\]'"):
        write_shards(Scenes(size=16, **COUNTS), tmp_path, {})
