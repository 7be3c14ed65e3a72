"""What every model of the library promises; each function takes a ``Case`` and checks one promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from cnnlib.types import CnnlibError, Head, Size

MakeModel = Callable[..., nn.Module]

HEADS = {"b": Head("map", 2), "v": Head("vector", 3), "a": Head("map", 1)}
VECTORS = {"b": Head("vector", 2), "v": Head("vector", 3), "a": Head("vector", 1)}


class Case(NamedTuple):
    """A model's class, or a small variant of it, and what may be asked of it.

    Attributes:
        make: takes ``in_channels`` and ``heads``.
        heads: called b, v and a; a model without maps takes ``VECTORS``.
        size: the only one that the model takes; ``None``: it takes any.
    """

    make: MakeModel
    heads: Mapping[str, Head] = HEADS
    size: Size | None = None

    def model(self) -> nn.Module:
        torch.manual_seed(0)
        return self.make(in_channels=3, heads=self.heads)

    def image(self, batch: int, height: int, width: int) -> Tensor:
        """Of the given size, where the model takes it."""
        return _random(batch, 3, *(self.size or (height, width)))


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def gives_each_task_in_order_at_the_size_of_the_image(case: Case) -> None:
    model = case.model().eval()
    for size in ((32, 48), (33, 31), (7, 50), (1, 1)):
        with torch.no_grad():
            image = case.image(2, *size)
            logits = model(image)
        assert list(logits) == ["b", "v", "a"]
        assert {task: value.shape for task, value in logits.items()} == {
            task: (2, head.channels, *(image.shape[2:] if head.shape == "map" else ()))
            for task, head in case.heads.items()
        }
        assert all(value.dtype == torch.float32 and value.isfinite().all() for value in logits.values())


def judges_each_image_of_a_batch_alone(case: Case) -> None:
    model, images = case.model().eval(), case.image(3, 32, 32)
    with torch.no_grad():
        together = model(images)
        alone = [model(image[None]) for image in images]
    for task, value in together.items():
        torch.testing.assert_close(value, torch.cat([logits[task] for logits in alone]), atol=1e-5, rtol=1e-4)


def trains_every_parameter(case: Case) -> None:
    model = case.model()
    logits = model(case.image(2, 40, 32))
    weights = {task: _random(*value.shape, seed=1) for task, value in logits.items()}
    sum((weights[task] * value).sum() for task, value in logits.items()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.count_nonzero() > 0, name


def keeps_its_tasks_apart(case: Case) -> None:
    """The gradient of one task reaches no weight that stands in another task's decoder or head alone."""
    model = case.model().eval()
    model(case.image(1, 32, 32))["a"].sum().backward()
    untouched = [name.split(".") for name, parameter in model.named_parameters() if parameter.grad is None]
    # The first task in a name owns it: what b takes from a is b's.
    owners = {next((part for part in name if part in case.heads), None) for name in untouched}
    assert {"b", "v"} <= owners
    assert "a" not in owners


def shares_what_it_says(case: Case) -> None:
    """Every task's gradient reaches all of the shared parameters, and at least two tasks' reach no other."""
    model = case.model().eval()
    shared = set(model.shared_parameters())
    assert shared
    for task in case.heads:
        model.zero_grad()
        model(case.image(2, 32, 32))[task].square().sum().backward()
        reached = {parameter for parameter in model.parameters() if parameter.grad is not None}
        assert shared <= reached
        for other in case.heads.keys() - {task}:
            model.zero_grad()
            model(case.image(2, 32, 32))[other].square().sum().backward()
            both = {parameter for parameter in reached if parameter.grad is not None}
            assert both == shared


def computes_the_same_with_channels_last(case: Case) -> None:
    model, image = case.model().eval().double(), case.image(2, 40, 36).double()
    gradients = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model = model.to(memory_format=memory_format)
        model.zero_grad()
        logits = model(image.to(memory_format=memory_format))
        sum(value.square().sum() for value in logits.values()).backward()
        gradients.append({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
    for name, gradient in gradients[0].items():
        scale = float(gradient.abs().max())
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-9 * scale, rtol=1e-9, msg=name)


def trains_under_bfloat16_autocast(case: Case) -> None:
    model = case.model()
    with torch.autocast("cpu", torch.bfloat16):
        # Small: few processors are quick at it. But no stride of 2 may meet a map of one pixel: oneDNN then leaves the
        # bfloat16 gradient of the weights that see padding alone as the memory was.
        logits = model(case.image(2, 20, 20))
    sum(value.float().square().mean() for value in logits.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def is_restored_by_its_state(case: Case) -> None:
    model, image = case.model().eval(), case.image(1, 32, 32)
    torch.manual_seed(1)
    other = case.make(in_channels=3, heads=case.heads).eval()
    with torch.no_grad():
        expected = model(image)
        assert not torch.equal(other(image)["a"], expected["a"])
        other.load_state_dict(model.state_dict())
        assert all(torch.equal(other(image)[task], value) for task, value in expected.items())


def has_an_encoder_of_stages(case: Case) -> None:
    """From the image to the bottom, so that the last ones can be trained alone; no tensor is in two, or in none."""
    model = case.model().eval()
    stages = model.encoder.stages
    assert len(stages) >= 2
    held = [tensor for stage in stages for tensor in (*stage.parameters(), *stage.buffers())]
    own = [*model.encoder.parameters(), *model.encoder.buffers()]
    assert len(held) == len({*map(id, held)})
    assert {*map(id, held)} == {*map(id, own)}

    order: list[int] = []
    for index, stage in enumerate(stages):
        for layer in stage.modules():
            if list(layer.parameters(recurse=False)):
                layer.register_forward_hook(lambda *_, index=index: order.append(index))
    model(case.image(2, 32, 32))
    assert order == sorted(order)
    assert {*order} == {*range(len(stages))}


def can_be_exported(case: Case) -> None:
    model, image = case.model().eval(), case.image(2, 32, 36)
    exported = torch.export.export(model, (image,)).module()
    for task, value in model(image).items():
        torch.testing.assert_close(exported(image)[task], value)


def refuses_what_it_cannot_take(case: Case) -> None:
    model = case.model().eval()
    with pytest.raises(CnnlibError, match="images of 3 channels; this one has 6"):
        model(_random(1, 6, 32, 32))
    with pytest.raises(CnnlibError, match=r"uint8: divide it by 255"):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with pytest.raises(CnnlibError, match="no pixels"):
        model(torch.zeros(1, 3, 0, 32))
    with pytest.raises(ValueError, match=r"\(B, C, H, W\)"):
        model(_random(3, 32, 32))
    with pytest.raises(CnnlibError, match="at least one task"):
        case.make(heads={})
    with pytest.raises(CnnlibError, match="in_channels must be at least 1; it is -1"):
        case.make(in_channels=-1)


MODEL_CONTRACT: tuple[Callable[[Case], None], ...] = (
    gives_each_task_in_order_at_the_size_of_the_image,
    judges_each_image_of_a_batch_alone,
    trains_every_parameter,
    keeps_its_tasks_apart,
    shares_what_it_says,
    computes_the_same_with_channels_last,
    trains_under_bfloat16_autocast,
    is_restored_by_its_state,
    has_an_encoder_of_stages,
    can_be_exported,
    refuses_what_it_cannot_take,
)
