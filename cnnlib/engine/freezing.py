"""Training a part of the encoder: its first stages are frozen, and thawed by epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from torch import Tensor, nn

from cnnlib.types import CnnlibError


@dataclass(frozen=True)
class Freezing:
    """Which stages of an encoder are trained in which epoch.

    It is a function of the epoch alone: nothing of it need be saved for a run to go on as it would have. A parameter
    that has no gradient when this is made, as under adapters, is never trained.

    Args:
        model: with an encoder that has stages.
        trained: from epoch (1 among them) to the number of stages, the last ones, that are trained from its beginning;
            ``None`` is all.

    Raises:
        CnnlibError: the encoder has no stages, or more would be trained than there are.
    """

    model: nn.Module
    trained: Mapping[int, int | None]
    stages: Sequence[nn.Module] = field(init=False, repr=False)
    _never: frozenset[nn.Parameter] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "stages", encoder_stages(self.model))
        most = max(count or 0 for count in self.trained.values())
        if most > len(self.stages):
            raise CnnlibError(
                f"{most} stages would be trained, and the encoder has {len(self.stages)}; say all, or at most that many"
            )
        never = {each for stage in self.stages for each in stage.parameters() if not each.requires_grad}
        object.__setattr__(self, "_never", frozenset(never))

    def _frozen(self, count: int | None) -> int:
        return 0 if count is None else len(self.stages) - count

    @property
    def costliest_epoch(self) -> int:
        """The first one that trains the most stages: no epoch takes more time or memory."""
        return min(self.trained, key=lambda epoch: (self._frozen(self.trained[epoch]), epoch))

    def apply(self, epoch: int) -> None:
        """Freezes and thaws for an epoch; call it after ``model.train()``.

        What is frozen has no gradient, so that the optimizer passes over it (no weight decay, no momentum), and is in
        evaluation mode, so that batch normalisation keeps its statistics and dropout and stochastic depth do nothing.
        """
        frozen = self._frozen(self.trained[max(step for step in self.trained if step <= epoch)])
        for index, stage in enumerate(self.stages):
            for parameter in stage.parameters():
                parameter.requires_grad_(index >= frozen and parameter not in self._never)
        still = {id(tensor) for stage in self.stages[:frozen] for tensor in _tensors(stage)}
        _evaluate(self.model.encoder, still, before=frozen > 0)


def _evaluate(module: nn.Module, still: Set[int], before: bool) -> bool:
    """Evaluation mode for every module that has no tensors but ``still`` ones, and for what has none and stands behind
    such a module, as dropout does.

    Args:
        before: what stands before the module is in evaluation mode.

    Returns:
        Whether what ends the module is.
    """
    held = {id(tensor) for tensor in _tensors(module)}
    if (held and held <= still) or (not held and before):
        module.eval()
        return True
    if not held or not held & still:
        return False
    for child in module.children():
        before = _evaluate(child, still, before)
    return before


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()


def encoder_stages(model: nn.Module) -> list[nn.Module]:
    """Of ``model.encoder``, from the image to the bottom.

    Raises:
        CnnlibError: there are none, or they do not hold each of the encoder's parameters and buffers once.
    """
    encoder, what = getattr(model, "encoder", None), type(model).__name__
    stages = getattr(encoder, "stages", None)
    if stages is None:
        raise CnnlibError(
            "it needs a model with an attribute encoder that has stages, a list of modules from the image to the "
            f"bottom; {what} has none: leave it out, or take another model"
        )
    held = [id(tensor) for stage in stages for tensor in _tensors(stage)]
    own = {id(tensor) for tensor in _tensors(encoder)}
    if len(held) != len(own) or {*held} != own:
        raise CnnlibError(
            f"the stages of {what}'s encoder must hold each of its {len(own)} parameters and buffers once; they hold "
            f"{len(held)}, of which {len({*held} & own)} are the encoder's"
        )
    return list(stages)
