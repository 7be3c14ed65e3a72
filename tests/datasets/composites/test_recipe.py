"""What goes where."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets.composites.recipe import Recipes

SIDES = st.integers(1, 224)


def recipes(
    shapes: list[tuple[int, int]], size: int = 224, scale: tuple[float, float] = (0.25, 0.75), **given: int
) -> Recipes:
    options = {"backgrounds": 3, "positions": 4, "flips": True, "seed": 0} | given
    return Recipes(shapes, size=size, scale=scale, **options)


def test_there_are_as_many_as_the_journal_counted() -> None:
    assert len(recipes([(10, 5)] * 208, backgrounds=110, positions=10)) == 457_600
    assert len(recipes([(10, 5)] * 208, backgrounds=110, positions=20, flips=False)) == 457_600


@given(
    st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=3),
    st.integers(16, 256),
    st.tuples(st.floats(0.02, 1), st.floats(0.02, 1)).map(sorted).map(tuple),
    st.integers(0, 2**32 - 1),
    st.data(),
)
def test_every_foreground_fits_and_keeps_its_shape(
    shapes: list[tuple[int, int]], size: int, scale: tuple[float, float], seed: int, data: st.DataObject
) -> None:
    all_of_them = recipes(shapes, size, scale, seed=seed)
    recipe = all_of_them[data.draw(st.integers(0, len(all_of_them) - 1))]
    left, top, right, bottom = recipe.box
    assert 0 <= left < right <= size
    assert 0 <= top < bottom <= size
    tall, wide = shapes[recipe.foreground]
    height, width = bottom - top, right - left
    assert height <= scale[1] * size + 1
    # Whole pixels change the ratio of the sides a little.
    assert abs(width - height * wide / tall) <= 1 + wide / tall
    assert bottom >= min(round(0.55 * size), size)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.booleans(), st.data())
def test_a_number_is_its_parts(
    foregrounds: int, backgrounds: int, positions: int, flips: bool, data: st.DataObject
) -> None:
    own = recipes([(9, 9)] * foregrounds, backgrounds=backgrounds, positions=positions, flips=flips)
    index = data.draw(st.integers(0, len(own) - 1))
    assert own.index(*own.parts(index)) == index
    assert own[index][:2] == (own.parts(index)[0], own.parts(index)[2])


def test_all_combinations_come_once() -> None:
    own = recipes([(9, 9)] * 2)
    assert len({own.parts(index) for index in range(len(own))}) == len(own) == 2 * 2 * 3 * 4


def test_places_differ_and_follow_the_seed() -> None:
    one, again, other = (recipes([(40, 20)], seed=seed) for seed in (0, 0, 1))
    boxes = [one[index].box for index in range(len(one))]
    assert boxes == [again[index].box for index in range(len(again))]
    assert len(set(boxes)) > 0.9 * len(boxes)
    assert sum(box == other[index].box for index, box in enumerate(boxes)) < 2
