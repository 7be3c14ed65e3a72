"""All that is wrong with a data set, at once: the first few in the message, all of them in a file."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from cnnlib.datasets import Boxes, Folders, image_files
from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.datasets.problems import Problems
from cnnlib.types import CnnlibError
from tests.datasets.composites.made_pictures import composites, write_pictures
from tests.datasets.pictures import disc, photo, save, write_csv
from tools.cache import main as cache_tool


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CNNLIB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def folders(root: Path, count: int, **options: object) -> Folders:
    for number in range(count):
        save(photo(number), root / "images" / f"{number:03d}.png")
        save(disc(), root / "masks" / f"{number:03d}.png")
    return Folders(str(root), {"image": "images"}, {"mask": "masks"}, **options)


def test_fifty_broken_files_are_all_in_a_file(tmp_path: Path, own_cache: Path) -> None:
    data = folders(tmp_path, 60)
    broken = [tmp_path / "images" / f"{number:03d}.png" for number in range(5, 55)]
    for path in broken:
        path.write_bytes(b"")
    with pytest.raises(CnnlibError) as told:
        data.check()
    message = str(told.value)
    assert "not readable as an image: 50" in message
    assert "and 47 more" in message
    (listed,) = (own_cache / "problems").iterdir()
    assert message.endswith(f"\n  all of them: {listed}")
    content = listed.read_text()
    assert str(tmp_path) in content.splitlines()[0]
    assert [line.strip() for line in content.splitlines()[2:]] == [
        f"{path}: the file is empty" for path in broken
    ]
    broken[0].write_bytes(broken[0].with_name("000.png").read_bytes())
    with pytest.raises(CnnlibError, match=re.escape(str(listed))):  # the same file, anew
        data.check()
    assert len(listed.read_text().splitlines()) == 2 + 49


def test_few_problems_need_no_file(own_cache: Path) -> None:
    problems = Problems("the data set")
    for number in range(3):
        problems.add("broken files", str(number))
    assert "all of them" not in problems.summary()
    assert not own_cache.exists()


def test_a_list_that_cannot_be_written_hides_nothing(own_cache: Path) -> None:
    own_cache.write_text("no folder")
    problems = Problems("the data set")
    for number in range(5):
        problems.add("broken files", str(number))
    assert problems.summary() == "  broken files: 5\n    0\n    1\n    2\n    and 2 more"


def test_lists_of_problems_are_cleaned_up(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problems = Problems("the data set")
    for number in range(5):
        problems.add("broken files", str(number))
    problems.summary()
    assert cache_tool([]) == 0
    assert "problems" in capsys.readouterr().out
    assert cache_tool(["--remove-older", "0"]) == 0
    assert not (own_cache / "problems").exists()


def test_large_pictures_are_refused_by_their_header(tmp_path: Path) -> None:
    """Their pixels are not decoded: these have none."""
    folders(tmp_path, 5)
    save(photo(1, 90, 90), tmp_path / "images" / "large.jpg")
    save(disc(90, 90), tmp_path / "masks" / "large.png")
    picture = tmp_path / "images" / "large.jpg"
    header = picture.read_bytes()
    picture.write_bytes(header[: header.index(b"\xff\xda") + 20])
    expected = r"not readable as an image: 2\n.*large.jpg: 90 x 90 pixels; at most 5,000 are read.*raise max_pixels\n.*"
    with pytest.raises(CnnlibError, match=expected + r"masks/large.png: 90 x 90 pixels"):
        folders(tmp_path, 5, max_pixels=5000, size=16).check()
    with pytest.raises(CnnlibError, match=r"not readable as an image: 1\n.*large.jpg: (?!90 x)"):
        folders(tmp_path, 5, max_pixels=8100, size=16).check()
    data = folders(tmp_path, 5, max_pixels=5000, size=16)
    data.skip_broken(0.2)
    assert data.skipped == ("large",)


def test_a_file_that_claims_too_much_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(photo(1, 90, 90), tmp_path / "large.png")
    monkeypatch.setattr(image_files, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(ImageFileError, match="90 x 90 pixels; at most 8,099 are read"):
        read_color(tmp_path / "large.png", 8099)


def test_a_picture_of_9000_x_9000_is_too_large_by_default(tmp_path: Path) -> None:
    folders(tmp_path, 5)
    picture = tmp_path / "images" / "002.png"
    content = bytearray(picture.read_bytes())
    content[16:24] = (9000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    picture.write_bytes(content)
    with pytest.raises(CnnlibError, match=r"002.png: 9000 x 9000 pixels; at most 64,000,000 are read"):
        Folders(str(tmp_path), {"image": "images"}, {"mask": "masks"}).check()


def test_composites_take_no_large_pictures_either(tmp_path: Path) -> None:
    root = write_pictures(tmp_path)
    assert len(composites(root, max_pixels=80 * 64).split("train"))
    with pytest.raises(CnnlibError, match=r"not readable as an image: 10\n.*room_0.jpg: 80 x 64 pixels"):
        composites(root, max_pixels=80 * 64 - 1).check()  # the same pictures, which were decoded before


@pytest.mark.parametrize("folder", ["fg", "bg"])
def test_composites_of_names_that_are_no_text_are_refused(tmp_path: Path, folder: str) -> None:
    root = write_pictures(tmp_path, depth=False)
    path = sorted((root / folder).iterdir())[0]
    path.rename(path.with_stem("caf\udce9"))
    with pytest.raises(CnnlibError, match=r"predictions cannot be saved under: 1\n.*no text in UTF-8"):
        composites(root, depths=None)


def test_links_in_a_circle_hide_nothing_and_double_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    for number in range(12):
        save(photo(number, 40, 40), images / f"{number:02d}.png")
    rows = [(f"{number:02d}.png", "cat", "1", "2", "30", "30") for number in range(12)]
    write_csv(tmp_path / "boxes.csv", ("filename", "class", "xmin", "ymin", "xmax", "ymax"), *rows)
    (images / "inner").mkdir()
    (images / "inner" / "up").symlink_to("..")
    for name in ("self", "07.png"):
        (images / name).unlink(missing_ok=True)
        (images / name).symlink_to(name)
    (images / "05.png").write_bytes(b"")
    data = Boxes(str(tmp_path), "boxes.csv", "images", val=0.2, test=0.2)
    with pytest.raises(
        CnnlibError, match=r"image: 2\n.*05.png: the file is empty\n.*07.png: .*symbolic links"
    ):
        data.check()
    data.skip_broken(0.2)
    assert data.skipped == ("05", "07")
    data = Boxes(str(tmp_path), "boxes.csv", "images", val=0.2, test=0.2)
    assert not any("up" in names for names in data._left_out.values() for names in names)


def test_a_cache_that_is_nowhere_hides_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLIB_CACHE", "~no-such-user/cache")
    problems = Problems("the data")
    for number in range(9):
        problems.add("broken", f"file {number}")
    with pytest.raises(CnnlibError, match="broken: 9"):
        problems.raise_any()


def test_not_all_samples_can_be_left_out() -> None:
    problems = Problems("the data")
    problems.add("broken", "file")
    with pytest.raises(CnnlibError, match="2 of 2 samples"):
        problems.leave_out(2, 2, 1.0)
