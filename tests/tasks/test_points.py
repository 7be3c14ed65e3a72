"""Points: two heads, heatmaps, mirrored names, half-pixel conventions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.similarity import Similarity
from cnnlib.config.options import options_of
from cnnlib.tasks import PointsTask
from cnnlib.types import CnnlibError, Target, TargetInfo

SIZE = (48, 64)
NAMES = ("left eye", "right eye", "nose")
INFO = TargetInfo("points", names=NAMES, flip_order=(1, 0, 2))
HEATMAP = PointsTask(INFO)
COORDINATES = PointsTask(INFO, head="coordinates")
PLACES = torch.tensor([[10.0, 12.25], [40.5, 20], [22, 36.75]])


def as_torchvision(points: Tensor) -> tv_tensors.KeyPoints:
    return tv_tensors.KeyPoints(points, canvas_size=SIZE)


def known(points: Tensor) -> Target:
    return Target(points, torch.ones(len(points), dtype=torch.bool))


def test_coordinates_start_at_the_centre_and_count_in_shares_of_each_side() -> None:
    raw = torch.tensor([[0.0, 0, 0.25, 0, 0, -0.5]])
    decoded = COORDINATES.decode(raw, SIZE)
    assert decoded[0, :, :2].tolist() == [[31.5, 23.5], [47.5, 23.5], [31.5, -0.5]]
    assert decoded[..., 2].isnan().all()


@pytest.mark.parametrize("shape", [(48, 64), (24, 32), (12, 16), (96, 128)])
def test_a_heatmap_of_any_size_gives_back_the_points_that_it_was_rendered_from(
    shape: tuple[int, int],
) -> None:
    """The logarithm of the rendered Gaussians is the raw output that is right for both losses."""
    target = Target(PLACES[None], torch.ones(1, 3, dtype=torch.bool))
    raw = torch.zeros(1, 3, *shape)
    _, rendered, _ = HEATMAP.loss_inputs("heatmaps", raw, target, SIZE)
    perfect = rendered.clamp(min=1e-30).log()
    decoded = HEATMAP.decode(perfect, SIZE)
    twentieth = 0.05 * SIZE[0] / shape[0]  # of a pixel of the heatmap
    torch.testing.assert_close(decoded[0, :, :2], PLACES, atol=twentieth, rtol=0)
    pred, wanted, valid = HEATMAP.loss_inputs("heatmaps", perfect, target, SIZE)
    torch.testing.assert_close(pred, wanted, atol=1e-5, rtol=0)
    assert valid.shape == (1, 3, 1, 1)
    torch.testing.assert_close(decoded[..., 2], rendered.flatten(2).amax(2).clamp(max=1), atol=1e-4, rtol=0)
    assert HEATMAP.decode(raw, SIZE)[..., 2].max() < 0.05  # knows nothing, and is confident of nothing


def test_rendered_heatmaps_are_gaussians_in_float64() -> None:
    task = PointsTask(INFO, sigma=0.05)
    target = Target(PLACES[None], torch.ones(1, 3, dtype=torch.bool))
    _, rendered, _ = task.loss_inputs("heatmaps", torch.zeros(1, 3, *SIZE), target, SIZE)
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in SIZE), indexing="ij")
    squares = (x - PLACES[:, 0, None, None]).square() + (y - PLACES[:, 1, None, None]).square()
    expected = (-squares / (2 * (0.05 * 64) ** 2)).exp()
    torch.testing.assert_close(rendered[0].double(), expected, atol=2e-3, rtol=0)


def test_coordinates_are_dsnts_expectation_in_float64() -> None:
    """Nibali et al., 2018, section 3: inner products of the normalised heatmap with X and Y, from -1 to 1."""
    raw = 3 * torch.randn(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    z = raw.double().flatten(2).softmax(2).view(3, 12, 20).numpy()
    x = (2 * np.arange(1, 21) - 21) / 20
    y = (2 * np.arange(1, 13)[:, None] - 13) / 12
    from_corner = (np.stack([(z * x).sum((1, 2)), (z * y).sum((1, 2))], 1) + 1) / 2 * [64, 48]
    found = HEATMAP.decode(raw, SIZE)[0, :, :2].double().numpy()
    np.testing.assert_allclose(found, from_corner - 0.5, atol=1e-4)


def test_the_peak_is_found_beside_a_second_place() -> None:
    """Two Gaussians: the mean lies between them, the peak at the higher one, to a twentieth of a pixel."""
    task = PointsTask(INFO, sigma=0.03, decoding="peak")
    _, rendered, _ = task.loss_inputs(
        "heatmaps",
        torch.zeros(2, 3, *SIZE),
        Target(torch.stack([PLACES, 44 - PLACES]), torch.ones(2, 3).bool()),
        SIZE,
    )
    raw = (0.7 * rendered[:1] + 0.3 * rendered[1:]).clamp(min=1e-12).log()
    peak, mean = task.decode(raw, SIZE)[0], HEATMAP.decode(raw, SIZE)[0]
    torch.testing.assert_close(peak[:, :2], PLACES, atol=0.05, rtol=0)
    torch.testing.assert_close(mean[:, :2], 0.7 * PLACES + 0.3 * (44 - PLACES), atol=0.05, rtol=0)
    torch.testing.assert_close(peak[:, 2], mean[:, 2])


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), sigma=st.sampled_from([0.001, 0.05, 2.0]))
def test_a_peak_lies_near_the_highest_place(seed: int, sigma: float) -> None:
    """Of any map, flat and tiny ones too; with a window as large as the map it is the mean."""
    raw = torch.randn(1, 3, 5, 9, generator=torch.Generator().manual_seed(seed))
    task = PointsTask(INFO, sigma=sigma, decoding="peak")
    found = task.decode(raw, (5, 9))[0, :, :2]
    highest = raw.flatten(2).argmax(2)[0]
    assert ((found - torch.stack([highest % 9, highest // 9], 1)).abs() <= max(1, 3 * sigma * 9) + 1e-3).all()
    if sigma == 2:
        torch.testing.assert_close(found, HEATMAP.decode(raw, (5, 9))[0, :, :2])


def test_losses_see_coordinates_as_shares_of_the_longer_side() -> None:
    raw = torch.tensor([[0.25, 0, 0, 0.25, 0, 0]])
    target = Target(PLACES[None].clone(), torch.tensor([[True, True, False]]))
    target.value[0, 2] = math.nan
    pred, wanted, valid = COORDINATES.loss_inputs("coordinates", raw, target, SIZE)
    assert pred[0, :2].mul(64).tolist() == [[47.5, 23.5], [31.5, 35.5]]
    torch.testing.assert_close(wanted[0, :2] * 64, PLACES[:2])
    assert wanted.isfinite().all()
    assert valid.tolist() == [[[True], [True], [False]]]
    assert COORDINATES.values == ("coordinates",)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), upside_down=st.booleans())
def test_torchvision_flips_the_same_and_names_change_places(seed: int, upside_down: bool) -> None:
    points = torch.rand(3, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([63.0, 47])
    flip = F.vertical_flip if upside_down else F.horizontal_flip
    expected = flip(as_torchvision(points)).as_subclass(Tensor)
    moved = HEATMAP.move(known(points), Similarity(mirrored=True, angle=180.0 * upside_down).view(SIZE))
    torch.testing.assert_close(moved.value, expected[[1, 0, 2]], atol=1e-4, rtol=0)
    assert moved.valid.all()


@settings(max_examples=30)
@given(angle=st.floats(-180, 180), zoom=st.floats(0.8, 1.2))
def test_a_point_moves_with_its_pixel(angle: float, zoom: float) -> None:
    """A bright disc and its centre go to the same place."""
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in SIZE), indexing="ij")
    disc = ((x - 30).square() + (y - 20).square()).div(-18).exp()[None]
    similarity = Similarity(angle=angle, zoom=zoom, shift=(2.0, 3.0))
    moved = HEATMAP.move(known(torch.tensor([[30.0, 20]] * 3)), similarity.view(SIZE))
    image = similarity.move_image(disc)[0]
    centre = torch.stack([(image * x).sum(), (image * y).sum()]) / image.sum()
    torch.testing.assert_close(moved.value[0], centre, atol=0.1, rtol=0)


def test_points_that_leave_the_image_are_not_valid_and_stay_finite() -> None:
    points = torch.tensor([[0.0, 0], [31.5, 23.5], [63, 47]])
    moved = HEATMAP.move(known(points), Similarity(zoom=2.0).view(SIZE))
    assert moved.valid.tolist() == [False, True, False]
    assert moved.value.isfinite().all()
    mirrored = HEATMAP.move(
        Target(points, torch.tensor([True, False, True])), Similarity(mirrored=True).view(SIZE)
    )
    assert mirrored.valid.tolist() == [False, True, True]
    assert mirrored.value[1].tolist() == [63, 0]


def test_without_a_given_order_names_tell_what_changes_places() -> None:
    names = ("left_eye", "nose", "right_eye", "earLeft", "earRight", "left_only")
    assert PointsTask(TargetInfo("points", names=names)).flip_order == [2, 1, 0, 4, 3, 5]
    assert PointsTask(TargetInfo("points", names=names, flip_order=tuple(range(6)))).flip_order == [*range(6)]


@pytest.mark.parametrize("order", [(1, 2, 0), (0, 1), (0, 0, 2), (0, 1, 3), (2, 1, -3)])
def test_names_change_places_in_pairs(order: tuple[int, ...]) -> None:
    with pytest.raises(
        CnnlibError, match="flip_order must give, for each of the 3 points, the index of the one"
    ):
        PointsTask(TargetInfo("points", names=NAMES, flip_order=order))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 0.0}, "sigma must be above 0; it is 0.0"),
        ({"sigma": math.inf}, "sigma must be a finite number"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        PointsTask(INFO, **options)


def test_the_reference_is_a_pair_of_points() -> None:
    options = options_of(PointsTask, ("info",)).read(
        {"reference": ["left eye", "right eye"]}
    )  # as YAML has it
    explained = PointsTask(INFO, **options).metric().explanations["nme"]
    assert "left eye and right eye" in explained
    with pytest.raises(
        CnnlibError, match=r"none of the 3 points is called 'left ey' \(did you mean 'left eye'\?\)"
    ):
        PointsTask(INFO, reference=("left ey", "right eye"))
    with pytest.raises(CnnlibError, match="reference must name two different points; it names 'nose' twice"):
        PointsTask(INFO, reference=("nose", "nose"))
    with pytest.raises(CnnlibError, match="reference must be 'box' or a list"):
        PointsTask(INFO, reference="eyes")


def test_points_need_names() -> None:
    with pytest.raises(CnnlibError, match="a points target needs the names of its points, at least 1"):
        PointsTask(TargetInfo("points"))


def test_coordinates_of_something_else_are_refused() -> None:
    HEATMAP.check_values(torch.tensor([[0.5, 0.5], [0.2, 3.0]]))
    with pytest.raises(CnnlibError, match="seem to be shares of the picture; multiply x by its width"):
        HEATMAP.check_values(torch.tensor([[0.5, 0.5], [0.2, 0.9]]))
    far = PLACES.clone()
    far[1] = torch.tensor([640.0, 480])
    with pytest.raises(
        CnnlibError, match="a point lies at x=640, y=480, far outside of the picture of 64 x 48 pixels"
    ):
        HEATMAP.check(known(far), SIZE)
    HEATMAP.check(Target(far, torch.tensor([True, False, True])), SIZE)


def test_points_outside_of_the_picture_are_not_valid() -> None:
    places = torch.tensor([[-0.5, -0.5], [63.5, 47.5], [63.6, 20]])
    checked = HEATMAP.check(Target(places), SIZE)
    assert checked.valid.tolist() == [True, True, False]
    assert torch.equal(HEATMAP.move(known(places), Similarity().view(SIZE)).valid, checked.valid)


def test_resizing_keeps_the_half_pixel() -> None:
    """As torchvision scales boxes: a point is the centre of a box of one pixel."""
    prediction = HEATMAP.as_prediction(PLACES)
    corner = torch.cat([PLACES, PLACES + 1], 1)
    boxes = tv_tensors.BoundingBoxes(corner, format="XYXY", canvas_size=SIZE)
    resized = F.resize(boxes, [24, 128]).as_subclass(Tensor)
    expected = (resized[:, :2] + resized[:, 2:]) / 2 - 0.5
    torch.testing.assert_close(HEATMAP.resize(prediction, SIZE, (24, 128))[:, :2], expected)


def test_a_row_per_sample() -> None:
    row = COORDINATES.store(COORDINATES.decode(torch.zeros(1, 6), SIZE)[0], torch.tensor([True, False, True]))
    assert row["left eye_x"] == 31.5
    assert row["left eye_confidence"] is None
    assert row["right eye_x"] is row["right eye_y"] is None
    assert len(row) == 9


def test_the_constant_is_the_median_of_each_coordinate() -> None:
    """One annotation far off does not move it; a point that is never seen lies amid the others."""
    places = torch.tensor([[[2.0, 4], [6, 8]], [[3, 6], [6, 8]], [[60, 5], [0, 0]]])
    valid = torch.tensor([[True, True], [True, True], [True, False]])
    hidden = torch.full((1, 2), math.nan), torch.tensor([False])
    targets = [
        Target(torch.cat([place, hidden[0]]), torch.cat([seen, hidden[1]]))
        for place, seen in zip(places, valid, strict=True)
    ]
    assert HEATMAP.constant(targets).tolist() == [[3, 5, 1], [6, 8, 1], [4.5, 6.5, 1]]


def test_discs_lie_on_their_points() -> None:
    """On the enlarged image, in the colour of the name; only those that are known."""
    image = torch.zeros(3, *SIZE)
    picture = HEATMAP.draw(HEATMAP.as_prediction(PLACES), image, torch.tensor([False, False, True]))
    rows, columns = (picture.sum(0) > 0).nonzero().float().mean(0)
    assert (columns.item(), rows.item()) == pytest.approx(((22.5 * 4) - 0.5, (37.25 * 4) - 0.5), abs=0.6)
    error = HEATMAP.draw_error(HEATMAP.as_prediction(PLACES + 9), known(PLACES), image)
    assert (error.sum(0) > 0).sum() > (picture.sum(0) > 0).sum()


def test_autocast_does_not_round_the_points() -> None:
    """bfloat16 has 8 bits: 63 of its steps would be 0.25 pixels."""
    target = Target(PLACES[None], torch.ones(1, 3, dtype=torch.bool))
    for task, raw in ((HEATMAP, torch.zeros(1, 3, *SIZE)), (COORDINATES, torch.zeros(1, 6))):
        with torch.autocast("cpu", torch.bfloat16):
            pred, wanted, _ = task.loss_inputs("coordinates", raw.bfloat16(), target, SIZE)
        torch.testing.assert_close(pred[0] * 64, torch.tensor([[31.5, 23.5]] * 3))
        assert pred.dtype == wanted.dtype == torch.float32


def test_errors_by_place_are_shares_of_the_mean_shape() -> None:
    """Faces of different sizes whose nose is off by a tenth of their diagonal, and one hidden nose."""
    task = PointsTask(TargetInfo("points", names=("eye", "ear", "nose")))
    face = torch.tensor([[0.0, 0.0], [3.0, 0.0], [1.0, 4.0]])  # its box has a diagonal of 5
    off = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.5, 0.0]])
    pairs = []
    for size, seen in ((1.0, True), (7.0, True), (30.0, False)):
        found = task.as_prediction(size * (face + (off if seen else 100 * off)) + size)
        pairs.append((found, Target(size * face + size, torch.tensor([True, True, seen]))))
    places, errors, _ = task.place_errors(pairs)
    torch.testing.assert_close(errors, torch.tensor([0, 0, 0.1], dtype=torch.float64), atol=1e-6, rtol=0)
    expected = (face - torch.tensor([1.5, 2.0])).double() / 5
    torch.testing.assert_close(places, expected, atol=1e-6, rtol=0)
    assert task.place_errors([]) is None
    assert (
        PointsTask(TargetInfo("points", names=("phone",))).place_errors(
            [(torch.zeros(1, 3), Target(torch.zeros(1, 2), torch.tensor([True])))]
        )
        is None
    )
