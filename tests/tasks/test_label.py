"""Labels, one or several per image."""

from __future__ import annotations

import math

import pytest
import torch

from cnnlib.tasks import LabelTask
from cnnlib.types import CnnlibError, Target, TargetInfo

SIZE = (8, 8)
NAMES = ("cat", "dog", "cow", "a class with a name that is far too long to be written on any small picture")
ONE = LabelTask(TargetInfo("label", names=NAMES))
MANY = LabelTask(TargetInfo("label", names=NAMES, multi_label=True))
KNOWN, UNKNOWN = torch.tensor(True), torch.tensor(False)


def test_probabilities_are_those_of_torch() -> None:
    raw = torch.randn(3, 4)
    torch.testing.assert_close(ONE.decode(raw, SIZE), raw.softmax(1))
    torch.testing.assert_close(MANY.decode(raw, SIZE), raw.sigmoid())


def test_what_losses_get() -> None:
    raw, classes, known = torch.randn(3, 4), torch.tensor([0, 3, 1]), torch.tensor([True, False, True])
    assert all(
        map(torch.equal, ONE.loss_inputs("classes", raw, Target(classes, known), SIZE), (raw, classes, known))
    )
    pred, one_hot, valid = ONE.loss_inputs("probabilities", raw, Target(classes, known), SIZE)
    assert torch.equal(one_hot.argmax(1), classes)
    assert torch.equal(one_hot.sum(1), torch.ones(3))
    assert pred.shape == (3, 4)
    assert valid.tolist() == [[True], [False], [True]]
    yes, each = torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([[True, True, False, True]])
    assert all(
        map(torch.equal, MANY.loss_inputs("logits", raw[:1], Target(yes, each), SIZE), (raw[:1], yes, each))
    )


def test_several_labels_have_another_loss_by_default() -> None:
    assert (ONE.default_loss, MANY.default_loss) == ("cross_entropy", "bce")


def test_values_that_are_no_labels_are_refused() -> None:
    with pytest.raises(CnnlibError, match="from 0 to 3, for there are 4 classes"):
        ONE.check_values(torch.tensor([0, 4]))
    MANY.check_values(torch.tensor([0.0, 1.0]))
    for wrong in (0.5, math.nan, 2.0):
        with pytest.raises(CnnlibError, match=r"each class must be 0 \(no\) or 1 \(yes\)"):
            MANY.check_values(torch.tensor([0.0, wrong]))


def test_classes_need_names() -> None:
    with pytest.raises(CnnlibError, match="needs the names of its classes, at least 2"):
        LabelTask(TargetInfo("label", names=("one",)))
    assert LabelTask(TargetInfo("label", names=("one",), multi_label=True)).head.channels == 1


def test_a_row_holds_the_decision_and_every_probability() -> None:
    row = ONE.store(torch.tensor([0.2, 0.7, 0.1, 0.0]))
    assert row == {"predicted": "dog", "p_cat": 0.2, "p_dog": 0.7, "p_cow": 0.1, f"p_{NAMES[3]}": 0.0}
    assert MANY.store(torch.tensor([0.6, 0.7, 0.1, 0.0]))["predicted"] == "cat;dog"
    empty = ONE.store(torch.tensor([0.2, 0.7, 0.1, 0.0]), UNKNOWN)
    assert set(empty.values()) == {None}
    partly = MANY.store(torch.tensor([1.0, 1, 0, 0]), torch.tensor([True, False, True, True]))
    assert (partly["predicted"], partly["p_dog"]) == ("cat", None)


def test_the_constant_is_the_frequency_of_each_class() -> None:
    constant = ONE.constant([Target(torch.tensor(index), KNOWN) for index in (0, 0, 1, 2)])
    assert constant.tolist() == [0.5, 0.25, 0.25, 0]
    partly = Target(torch.tensor([1.0, 0, 0, 0]), torch.tensor([True, True, False, False]))
    fully = Target(torch.tensor([0.0, 0, 0, 1]), torch.tensor([True] * 4))
    assert MANY.constant([partly, fully]).tolist() == [0.5, 0, 0, 1]


def test_a_wrong_answer_is_red_and_a_right_one_green() -> None:
    image, truth = torch.ones(3, 40, 40), Target(torch.tensor(1), KNOWN)
    prediction = torch.tensor([0.2, 0.7, 0.1, 0.0])
    backgrounds = [
        ONE.draw_error(each, truth, image)[:, -1, -1].float() for each in (prediction, prediction.flip(0))
    ]
    assert [int(color.argmax()) for color in backgrounds] == [1, 0]


def test_names_are_written_on_the_picture_however_long() -> None:
    """The picture's upper part stays, its lower part becomes text in white on darker, within its margin."""
    image = torch.full((3, 32, 20), 0.5)
    picture = ONE.draw(torch.tensor([0.1, 0.2, 0.1, 0.6]), image)
    assert picture.shape == (3, 256, 160)
    assert (picture[:, :100] == 128).all()
    assert (picture[:, 225:] > 250).any()
    assert (picture[:, 225:, -2:] < 80).all()
    assert not torch.equal(picture, ONE.draw(torch.tensor([0.6, 0.2, 0.1, 0.1]), image))
