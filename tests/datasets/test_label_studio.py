"""Classes from exports of Label Studio: who meant which image, what most chose, and what is left out."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cnnlib.assembly import open_data
from cnnlib.config import parse_suite
from cnnlib.datasets import LabelStudio
from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.label_studio.export import image_key, image_name
from cnnlib.types import CnnlibError
from tests.datasets.pictures import PARTS, photo, samples, save
from tests.datasets.studio_files import (
    LABELS,
    annotation,
    task,
    uploaded,
    write_json,
    write_participant,
)

PRONATED, NEUTRAL, SUPINATED = "1_Pronáció", "2_Neutrális", "3_Szupináció"


def make(root: Path, **options: Any) -> LabelStudio:
    return LabelStudio(str(root), **{"labels": LABELS, "size": 16, "val": 0.3, "test": 0.3} | options)


def labels_of(data: LabelStudio) -> dict[str, str]:
    names = data.targets["label"].names
    return {sample["name"]: names[sample["label"].value] for sample in samples(data)}


def names_in(data: LabelStudio, part: str) -> set[str]:
    split = data.split(part)
    return {split[index]["name"] for index in range(len(split))}


def attempt(root: Path) -> tuple[dict[str, str], str]:
    """The labels, or why there are none."""
    try:
        data = make(root)
        data.check()
    except CnnlibError as error:
        return {}, str(error)
    return labels_of(data), ""


def reported(data: LabelStudio, capsys: pytest.CaptureFixture[str]) -> str:
    data.check()
    return capsys.readouterr().err


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two participants, whose images are called alike."""
    write_participant(tmp_path, "anna", [PRONATED, NEUTRAL, NEUTRAL, SUPINATED])
    write_participant(tmp_path, "béla", [NEUTRAL, "semleges", " PRONATED ", "neutral"])
    return tmp_path


EXPECTED = {
    **{f"anna/img_{i}": name for i, name in enumerate(["pronation", "neutral", "neutral", "supination"])},
    **{f"béla/img_{i}": name for i, name in enumerate(["neutral", "neutral", "pronation", "neutral"])},
}


def only(root: Path, content: Any) -> Path:
    """One export of this content beside the images of anna, and nobody else."""
    shutil.rmtree(root / "béla")
    for path in (root / "anna").glob("*.json"):
        path.unlink()
    write_json(root / "anna" / "export.json", content)
    return root


def labelled_task(index: int, label: str = NEUTRAL) -> dict[str, Any]:
    return uploaded(f"img_{index}.jpg", annotation(label), number=index)


# Names and labels


def test_names_start_with_the_folder_and_spellings_mean_classes(root: Path) -> None:
    data = make(root)
    assert data.targets["label"].names == ("pronation", "neutral", "supination")
    assert labels_of(data) == EXPECTED
    assert sum(len(data.split(part)) for part in PARTS) == 8


def test_without_a_table_every_spelling_is_a_class(root: Path) -> None:
    data = make(root, labels=None, exports="anna")
    assert data.targets["label"].names == (PRONATED, NEUTRAL, SUPINATED)
    assert set(labels_of(data)) == {name for name in EXPECTED if name.startswith("anna")}


@pytest.mark.parametrize(
    "called",
    [
        "img_0.jpg",
        "/data/upload/12/0123abcd-img_0.jpg",
        "/data/local-files/?d=anna%5Cimg_0.jpg",
        "/data/local-files/?d=some/folder/img_0.jpg",
        r"C:\Users\anna\img_0.JPG",
        "https://bucket.example/x/0123abcd-img_0.jpeg?X-Amz-Date=2024&X=.png",
        "img_0.heic",
    ],
)
def test_an_image_is_found_whatever_its_path(root: Path, called: str) -> None:
    tasks = [task(called, annotation(SUPINATED)), *map(labelled_task, (1, 2))]
    assert labels_of(make(only(root, tasks)))["anna/img_0"] == "supination"


@pytest.mark.parametrize("stored", ["a1b2c3d4-my_photo_1.jpg", "my_photo_1.jpg", "a1b2c3d4-my photo (1).jpg"])
@pytest.mark.parametrize(
    "on_disk", ["my photo (1).jpg", "a1b2c3d4-my_photo_1.jpg", "00ff00ff-my photo (1).jpg"]
)
def test_names_are_compared_as_label_studio_stores_them(root: Path, stored: str, on_disk: str) -> None:
    save(photo(99), root / "anna" / on_disk)
    tasks = [task(f"/data/upload/1/{stored}", annotation(SUPINATED)), *map(labelled_task, (1, 2))]
    assert labels_of(make(only(root, tasks)))[f"anna/{on_disk.removesuffix('.jpg')}"] == "supination"


def test_of_two_uploads_of_one_name_each_has_its_own_label(root: Path) -> None:
    tasks = [labelled_task(3)]
    for digit, label in (("1", PRONATED), ("2", SUPINATED)):
        save(photo(int(digit)), root / "anna" / f"{8 * digit}-x.jpg")
        tasks.append(task(f"/data/upload/1/{8 * digit}-x.jpg", annotation(label)))
    found = labels_of(make(only(root, tasks)))
    assert found["anna/11111111-x"] == "pronation"
    assert found["anna/22222222-x"] == "supination"


def test_the_parts_of_a_name() -> None:
    assert image_name("/data/local-files/?d=a%5Cb%20c.jpg") == "a/b c"
    assert image_key("x/0123abcd-Árvíz (2)") == image_key("Árvíz (2)") == "Árvíz_2"
    assert image_key("0123ABCD-x") == "0123ABCD-x"  # no hash of Label Studio's


def test_images_of_all_exports_may_be_in_one_folder(root: Path) -> None:
    tasks = [
        task(f"/data/local-files/?d={name}/img_{index}.jpg", annotation(PRONATED, by=number))
        for number, name in enumerate(("anna", "b%C3%A9la"))
        for index in range(3)
    ]
    write_json(root / "exports" / "all.json", tasks)
    found = labels_of(make(root, images=".", exports="exports/all.json"))
    assert found == {f"{name}/img_{index}": "pronation" for name in ("anna", "béla") for index in range(3)}


def test_json_min_gives_the_same(root: Path) -> None:
    def minimal(index: int, label: Any, **more: Any) -> dict[str, Any]:
        image = f"/data/upload/1/0123abcd-img_{index}.jpg"
        about = {
            "annotator": 1,
            "annotation_id": index,
            "created_at": "2024-01-30T02:40:43Z",
            "lead_time": 8.6,
        }
        return {"image": image, "id": index, "choice": label, **about, **more}

    spellings = [PRONATED, {"choices": [NEUTRAL]}, NEUTRAL, SUPINATED]
    tasks = [minimal(index, label) for index, label in enumerate(spellings)]
    expected = {name: label for name, label in EXPECTED.items() if name.startswith("anna")}
    assert labels_of(make(only(root, tasks))) == expected
    write_json(root / "anna" / "export.json", [{**each, "quality": "good"} for each in tasks])
    with pytest.raises(
        CnnlibError, match=r"(?s)several controls; set from_name.*export.json: choice, quality"
    ):
        make(root)
    assert labels_of(make(root, from_name="choice")) == expected


def test_of_several_controls_one_has_the_classes(root: Path) -> None:
    both = annotation(PRONATED)
    both["result"] += annotation("sharp", control="quality")["result"]
    tasks = [uploaded(f"img_{index}.jpg", both, number=index) for index in range(4)]
    with pytest.raises(CnnlibError, match=r"(?s)several controls; set from_name.*pose, quality"):
        make(only(root, tasks))
    assert set(labels_of(make(root, from_name="pose")).values()) == {"pronation"}


# Votes


def several(index: int, *labels: str) -> dict[str, Any]:
    votes = [annotation(label, by={"id": number, "email": "x@y.z"}) for number, label in enumerate(labels)]
    return uploaded(f"img_{index}.jpg", *votes, number=index)


def test_the_majority_decides_and_ties_are_reported_with_their_votes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [
        several(0, NEUTRAL, PRONATED, "semleges"),
        several(1, NEUTRAL, PRONATED),
        several(2, SUPINATED),
        several(3, PRONATED, PRONATED, NEUTRAL, NEUTRAL, SUPINATED),
    ]
    save(photo(5), root / "anna" / "img_4.jpg")
    data = make(only(root, [*tasks, several(4, PRONATED)]))
    assert labels_of(data) == {"anna/img_0": "neutral", "anna/img_2": "supination", "anna/img_4": "pronation"}
    assert (
        "left out 2 images without a majority: anna/img_1 (neutral 1, pronation 1), "
        "anna/img_3 (neutral 2, pronation 2, supination 1)" in reported(data, capsys)
    )


def test_an_annotator_votes_once_an_image(root: Path) -> None:
    """The last annotation counts; without a name, each is somebody else's."""
    again = [annotation(PRONATED), annotation(PRONATED), annotation(NEUTRAL)]
    unknown = [annotation(PRONATED, by=None), annotation(PRONATED, by=None), annotation(NEUTRAL, by=None)]
    tasks = [
        uploaded("img_0.jpg", *again, number=0),
        uploaded("img_1.jpg", *unknown, number=1),
        *map(labelled_task, (2, 3)),
    ]
    found = labels_of(make(only(root, tasks)))
    assert found["anna/img_0"] == "neutral"
    assert found["anna/img_1"] == "pronation"


def test_exports_of_several_annotators_of_the_same_images(root: Path) -> None:
    for number, label in enumerate((NEUTRAL, PRONATED, PRONATED)):
        tasks = [uploaded(f"img_{index}.jpg", annotation(label), number=index) for index in range(4)]
        write_json(root / "anna" / f"{number}.json", tasks)
    next((root / "anna").glob("project*.json")).unlink()
    assert Counter(labels_of(make(root, exports="anna")).values()) == {"pronation": 4}


# What is left out, and what is refused


def test_what_is_left_out_is_counted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = [
        *(labelled_task(index) for index in range(4)),
        uploaded("img_4.jpg", annotation(), number=4),
        uploaded("img_5.jpg", annotation(PRONATED, cancelled=True), number=5),
        uploaded("gone.jpg", annotation(PRONATED), number=6),
        uploaded("img_7.jpg", number=7),
    ]
    for index in (4, 5, 7):
        save(photo(index), root / "anna" / f"img_{index}.jpg")
    save(photo(1), root / "cili" / "img_0.jpg")
    save(photo(2), root / "dóra" / "img_0.jpg")
    only(root, tasks)
    (root / "dóra" / "labels.json").touch()
    data = make(root)
    assert set(labels_of(data)) == {f"anna/img_{index}" for index in range(4)}
    said = reported(data, capsys)
    assert "left out 1 folders without an export: cili/" in said
    assert f"left out 1 exports that are empty files: {root}/dóra/labels.json" in said
    assert "left out 1 annotations without a choice: " in said
    assert "export.json, task 4\n" in said
    assert "left out 1 annotations that were cancelled: " in said
    assert "left out 1 annotations without an image: " in said
    assert "left out 5 images without a label: anna/img_4, anna/img_5, anna/img_7, ..." in said
    counts = [len(data.split(part)) for part in PARTS]
    assert f"train {counts[0]} (pronation 0, neutral {counts[0]}, supination 0)" in said


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"a": 3}', "[[]]", "null", "\0", '[{"id": 1}]', "[]"]
)
def test_a_damaged_export_takes_nothing_of_the_others(root: Path, content: str) -> None:
    next((root / "anna").glob("*.json")).write_text(content)
    found, refusal = attempt(root)
    assert "anna" in refusal or all(name.startswith("béla/") for name in found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{]", "exports that cannot be read: 1"),
        ("[" * 100000, "exports that cannot be read: 1"),
        ("3", "must be a list; it is '3'"),
        ('[{"annotations": 5}]', r"0.annotations must be a list; it is '5'"),
        (
            '[{"annotations": [{"result": [{"value": {"choices": "x"}}]}]}]',
            r"choices must be a list; it is 'x'",
        ),
        ("[]", "exports that give no image a class"),
    ],
)
def test_what_is_no_export_is_refused(root: Path, content: str, message: str) -> None:
    only(root, [])
    (root / "anna" / "export.json").write_text(content)
    with pytest.raises(CnnlibError, match=message):
        make(root)


def test_unknown_spellings_are_told_the_nearest(root: Path) -> None:
    tasks = [labelled_task(0), labelled_task(1), labelled_task(2, "2_Neutralis"), labelled_task(3, "?")]
    with pytest.raises(CnnlibError) as error:
        make(only(root, tasks))
    assert "labels that are no spelling in `labels`: 2" in str(error.value)
    assert "'2_Neutralis' (did you mean '2_neutrális'?)" in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exports": "nowhere/*.json"}, "exports without a file"),
        ({"exports": "/*.json"}, "exports without a file"),
        ({"exports": ["anna", "gone.json"]}, "exports without a file .*: 1\n    gone.json"),
        ({"consensus": "consensus"}, "consensus without a file"),
        ({"images": "pictures"}, "folders that do not exist"),
        ({"labels": {"a": ["x"], "b": ["X "]}}, "spellings of two classes"),
        ({"labels": {"a": ["x"]}}, "labels must be a mapping of at least 2"),
        ({"val": 1.5}, "val must be below 1"),
    ],
)
def test_options_that_cannot_work_are_named(root: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        make(root, **options)


def test_two_classes_for_one_image_are_refused(root: Path) -> None:
    with pytest.raises(CnnlibError, match="annotations with several classes; one is expected: 1"):
        make(
            only(root, [uploaded("img_0.jpg", annotation(PRONATED, NEUTRAL)), *map(labelled_task, (1, 2, 3))])
        )
    one = [uploaded("img_0.jpg", annotation(NEUTRAL, "semleges")), *map(labelled_task, (1, 2, 3))]
    write_json(root / "anna" / "export.json", one)
    assert labels_of(make(root))["anna/img_0"] == "neutral"


def test_exports_of_other_images_are_refused(root: Path) -> None:
    tasks = [uploaded(f"other_{index}.jpg", annotation(NEUTRAL), number=index) for index in range(4)]
    with pytest.raises(CnnlibError, match=r"without an image \(more than half of all.*: 4"):
        make(only(root, [*tasks, *map(labelled_task, range(3))]))


# Consensus, copies, groups


def consensus(root: Path, votes: dict[str, list[str]]) -> None:
    """An export for each annotator, who call the images by their name alone, under a hash of their own."""
    for annotator in range(max(map(len, votes.values()))):
        tasks = [
            task(f"/data/upload/9/{annotator:08x}-{image}.jpg", annotation(labels[annotator]), number=number)
            for number, (image, labels) in enumerate(votes.items())
            if annotator < len(labels)
        ]
        write_json(root / "consensus" / f"annotator-{annotator}.json", tasks)


def test_consensus_images_are_the_test_set_as_the_journal_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """57 of them, of which 8 have names that several folders have."""
    alike = [f"IMG_{index}.jpg" for index in range(8)]
    write_participant(tmp_path, "AAA", [NEUTRAL] * 38, images=[*alike, *(f"a{i}.jpg" for i in range(30))])
    write_participant(tmp_path, "BBB", [PRONATED] * 38, images=[*alike, *(f"b{i}.jpg" for i in range(30))])
    votes = {name.removesuffix(".jpg"): [NEUTRAL] for name in alike}
    votes |= {f"a{i}": [PRONATED, SUPINATED, PRONATED] for i in range(25)}
    votes |= {f"b{i}": [NEUTRAL, NEUTRAL] for i in range(24)}
    consensus(tmp_path, votes)
    data = make(tmp_path, consensus="consensus", group_by_folder=False)
    tested = {f"AAA/a{i}" for i in range(25)} | {f"BBB/b{i}" for i in range(24)}
    assert names_in(data, "test") == tested
    assert {name: label for name, label in labels_of(data).items() if name in tested} == {
        name: "pronation" if name.startswith("AAA") else "neutral" for name in tested
    }
    assert len(data.split("train")) + len(data.split("val")) == 2 * 38 - 49
    assert len(data.split("val")) == round(0.3 * 27)
    said = reported(data, capsys)
    assert "49 of 57 consensus images are the test set" in said
    assert (
        "left out 8 consensus images with a conflict: several images have the name: IMG_0, IMG_1, IMG_2, ..."
        in said
    )


def test_a_tested_image_is_nowhere_else(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not under the same name, and not with the same content under another one."""
    for number in range(4):
        save(photo(50 + number), root / "consensus" / f"c_{number}.jpg")
    save(photo(60), root / "consensus" / "img_1.jpg")
    shutil.copy(root / "consensus" / "c_2.jpg", root / "anna" / "img_9.jpg")
    export = next((root / "anna").glob("*.json"))
    write_json(export, [*json.loads(export.read_text()), labelled_task(9)])
    consensus(root, {**{f"c_{i}": [PRONATED] for i in range(4)}, "img_1": [SUPINATED], "lost": [NEUTRAL]})
    data = make(root, consensus="consensus")
    assert names_in(data, "test") == {
        "anna/img_9",
        "consensus/c_0",
        "consensus/c_1",
        "consensus/c_3",
        "consensus/img_1",
    }
    assert labels_of(data)["anna/img_9"] == "pronation"
    assert names_in(data, "train") | names_in(data, "val") == EXPECTED.keys() - {"anna/img_1", "béla/img_1"}
    said = reported(data, capsys)
    assert "left out 2 images that are called like one of the test set: anna/img_1, béla/img_1" in said
    assert "left out 1 images with the content of another one: consensus/c_2" in said
    assert "left out 1 consensus images without a file: lost" in said
    assert "5 of 6 consensus images are the test set" in said


def test_consensus_images_without_a_majority_are_in_no_split(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(photo(70), root / "anna" / "only.jpg")
    save(photo(71), root / "anna" / "tied.jpg")
    consensus(root, {"only": [SUPINATED], "tied": [NEUTRAL, PRONATED]})
    data = make(root, consensus="consensus")
    assert names_in(data, "test") == {"anna/only"}
    assert "anna/tied" not in labels_of(data)
    said = reported(data, capsys)
    assert "left out 1 consensus images without a majority: anna/tied (neutral 1, pronation 1)" in said


def test_copies_are_one_image_with_all_votes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(root / "anna" / "img_0.jpg", root / "béla" / "img_2.jpg")  # both call it pronated
    shutil.copy(root / "anna" / "img_1.jpg", root / "béla" / "img_2b.jpg")
    data = make(root)
    assert set(labels_of(data)) == EXPECTED.keys() - {"béla/img_2"}
    assert "left out 2 images with the content of another one: béla/img_2" in reported(data, capsys)
    shutil.copy(root / "anna" / "img_0.jpg", root / "béla" / "img_0.jpg")  # here they do not agree
    export = next((root / "béla").glob("*.json"))
    write_json(export, [task for task in json.loads(export.read_text()) if task["id"] != 2])
    assert "anna/img_0 (neutral 1, pronation 1)" in reported(make(root), capsys)


def test_groups_and_classes_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_participant(root, "cili", [PRONATED, NEUTRAL, SUPINATED])
    write_participant(root, "dóra", [PRONATED, NEUTRAL])
    data = make(root, group_by_folder=True)
    groups = [{data.split(part)[index]["group"] for index in range(len(data.split(part)))} for part in PARTS]
    assert set.union(*groups) == {"anna", "béla", "cili", "dóra"}
    assert sum(map(len, groups)) == 4
    split = data.split("train")
    assert {split.label_class(index) for index in range(len(split))} <= LABELS.keys()
    tested = [fold_splits(data, 3, fold, 0)["test"] for fold in range(3)]
    assert sum(map(len, tested)) == 13

    save(photo(80), root / "consensus" / "extra.jpg")
    consensus(root, {"extra": [NEUTRAL], "img_3": [NEUTRAL]})
    save(photo(81), root / "cili" / "own.jpg")
    consensus(root, {"extra": [NEUTRAL], "own": [NEUTRAL]})
    data = make(root, group_by_folder=True, consensus="consensus", val=0.25)
    assert {data.split("test").group(index) for index in range(2)} == {"consensus/extra", "cili"}
    train, val = (
        {data.split(part).group(i) for i in range(len(data.split(part)))} for part in ("train", "val")
    )
    assert train.isdisjoint(val)
    if "cili" in train:
        assert "1 test images are of folders that are also trained on" in reported(data, capsys)


def test_folds_would_divide_the_consensus(root: Path) -> None:
    consensus(root, {"extra": [NEUTRAL]})
    save(photo(80), root / "consensus" / "extra.jpg")
    options = {"root": str(root), "labels": LABELS, "size": 16, "consensus": "consensus"}
    text = {"name": "s", "dataset": {"name": "label_studio", **options, "folds": 2}, "model": "net0"}
    text |= {"tasks": {"label": {}}, "optimizer": "adamw", "schedule": "constant", "training": {"epochs": 1}}
    config = parse_suite(text).experiments["s"]
    with pytest.raises(CnnlibError, match="its test set is given, and folds would divide all samples anew"):
        open_data(config, seed=0)


def test_pictures_are_padded_or_stretched(root: Path) -> None:
    save(photo(0, 8, 16), root / "anna" / "img_0.jpg")
    wide = {sample["name"]: sample["image"] for sample in samples(make(root, fit="pad"))}["anna/img_0"]
    assert (wide[:, 8:] == 0).all()
    assert (wide[:, :8] > 0).any()
    assert make(root, fit="pad").fit == "pad"


def test_a_class_of_any_length_does_not_fill_the_screen(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = {
        "x" * 10_000: LABELS["pronation"],
        "neutral": LABELS["neutral"],
        "supination": LABELS["supination"],
    }
    said = reported(make(root, labels=labels), capsys)
    assert "x" * 40 + " " in said
    assert len(said) < 2000
