"""Losses on heatmaps against their papers' formulas in float64 and SciPy, and what they do to a heatmap."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation
from scipy.spatial.distance import jensenshannon

from cnnlib.losses import LOSSES, MSELoss, adaptive_wing_loss, heatmap_focal_loss, jensen_shannon_loss
from cnnlib.tasks import PointsTask
from cnnlib.types import Target, TargetInfo

SIZE = (24, 32)
TASK = PointsTask(TargetInfo("points", names=("left", "right")), sigma=0.06)
POINTS = Target(
    torch.tensor([[[8.3, 5.6], [20.0, 16.0]], [[0.0, 0.0], [31.0, 12.2]]]), torch.ones(2, 2).bool()
)
LOGITS = 2 * torch.randn(2, 2, *SIZE, generator=torch.Generator().manual_seed(0))
PRED, TARGET, _ = TASK.loss_inputs("heatmaps", LOGITS, POINTS, SIZE)
PIXELS = torch.rand(2, 2, *SIZE, generator=torch.Generator().manual_seed(1)) > 0.2


def adaptive_wing(
    pred: np.ndarray, target: np.ndarray, omega: float, theta: float, epsilon: float, alpha: float
) -> np.ndarray:
    """The paper's equations 4 and 5, for targets up to 1."""
    d = np.abs(target - pred)
    power = alpha - target
    ratio = theta / epsilon
    a = omega * (1 / (1 + ratio**power)) * power * ratio ** (power - 1) / epsilon
    c = theta * a - omega * np.log(1 + ratio**power)
    return np.where(d < theta, omega * np.log(1 + (d / epsilon) ** power), a * d - c)


@pytest.mark.parametrize("options", [(14, 0.5, 1, 2.1), (3, 0.1, 0.4, 2.6)])
def test_adaptive_wing_equals_the_formula(options: tuple[float, float, float, float]) -> None:
    target = TARGET.clamp(max=1)
    values = adaptive_wing(PRED.double().numpy(), target.double().numpy(), *options)
    dilated = np.stack([[grey_dilation(each, (3, 3)) for each in maps] for maps in target.numpy()])
    weighted = values * (1 + 10 * (dilated >= 0.2))
    assert (PRED - target).abs().max() > options[1]  # both parts are seen
    without = adaptive_wing_loss(PRED, target, PIXELS, *options, foreground_weight=0.0)
    assert without.item() == pytest.approx(values[PIXELS.numpy()].mean(), rel=1e-5)
    assert adaptive_wing_loss(PRED, target, None, *options).item() == pytest.approx(weighted.mean(), rel=1e-5)


def test_adaptive_wing_is_finite_where_the_edge_cuts_a_gaussian() -> None:
    """Its peak is then far above 1, and the exponent of the formula would be below 0."""
    assert TARGET[1, 0].max() > 2
    pred = TARGET.clone().requires_grad_()
    loss = adaptive_wing_loss(pred, TARGET)
    loss.backward()
    assert loss == 0
    assert (pred.grad == 0).all()


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 4.0), (1.0, 1.5)])
def test_heatmap_focal_is_centernets_on_the_sigmoid_of_raw_outputs(alpha: float, beta: float) -> None:
    """CenterNet, equation 1: the number of points is that of the maps; a Gaussian is 1 at its point's pixel."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    places = [[(5, 8), (16, 20)], [(0, 0), (12, 31)]]
    truth = np.exp([[-((rows - y) ** 2 + (columns - x) ** 2) / 8 for y, x in each] for each in places])
    found = 1 / (1 + np.exp(-LOGITS.double().numpy()))
    at_point = (1 - found) ** alpha * np.log(found)
    elsewhere = (1 - truth) ** beta * found**alpha * np.log(1 - found)
    expected = -np.where(truth == 1, at_point, elsewhere).sum() / 4
    loss = heatmap_focal_loss(LOGITS.exp(), torch.tensor(truth).float(), None, alpha, beta)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_jensen_shannon_is_scipys() -> None:
    pred, target = PRED.double().flatten(2).numpy(), TARGET.double().flatten(2).numpy()
    expected = np.mean(
        [jensenshannon(p, t) ** 2 for p, t in zip(pred.reshape(4, -1), target.reshape(4, -1), strict=True)]
    )
    assert jensen_shannon_loss(PRED, TARGET).item() == pytest.approx(expected, rel=1e-5)
    assert jensen_shannon_loss(3 * PRED, 0.5 * TARGET).item() == pytest.approx(expected, rel=1e-5)
    apart = torch.eye(4).view(1, 4, 2, 2)
    assert jensen_shannon_loss(apart, apart.roll(1, 1)).item() == pytest.approx(np.log(2))


def test_mse_of_heatmaps_needs_no_loss_of_its_own() -> None:
    assert MSELoss.compares(TASK) == ("coordinates", "heatmaps")
    expected = np.square(PRED.double().numpy() - TARGET.double().numpy()).mean()
    assert MSELoss()(PRED, TARGET).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["adaptive_wing", "heatmap_focal", "jensen_shannon", "mse"])
def test_each_moves_the_peak_to_the_points_even_from_a_sure_mistake(name: str) -> None:
    points = Target(torch.tensor([[[8.3, 5.6], [20.0, 16.0]]]), torch.ones(1, 2).bool())
    raw = torch.zeros(1, 2, *SIZE)
    raw[..., 20, 14] = 12  # a probability of 0.995
    raw.requires_grad_()
    optimizer = torch.optim.Adam([raw], lr=0.3)
    for _ in range(100):
        optimizer.zero_grad()
        LOSSES[name]()(*TASK.loss_inputs("heatmaps", raw, points, SIZE)).backward()
        optimizer.step()
    assert raw.flatten(2).argmax(2).tolist() == [[6 * SIZE[1] + 8, 16 * SIZE[1] + 20]]
    if name == "jensen_shannon":  # which alone cares for all of the distribution, so for its mean
        found = TASK.decode(raw.detach(), SIZE)[..., :2]
        torch.testing.assert_close(found, points.value, atol=0.05, rtol=0)
