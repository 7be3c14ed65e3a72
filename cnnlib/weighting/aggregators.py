"""The aggregators of TorchJD that fit gradients of tasks, with their options.

Left out are those for rows that all estimate one gradient (Krum, the trimmed mean), those that need independent batches
(MoDo, SDMGrad), priority-constrained descent, whose tasks are not alike, and sums with given or random weights, which
``fixed`` and ``rlw`` are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.types import Combined, TrainingStep
from cnnlib.weighting.aggregation import Aggregation, FromGramian, FromRows, nearest_weights, square_root
from cnnlib.weighting.base import Count, NotNegative, Positive

Share: TypeAlias = Annotated[float, Ge(0), Le(1)]


class MGDA(FromGramian):
    """Multiple-gradient descent: the shortest gradient among the weighted means of the tasks' gradients.

    Source: Désidéri, 2012; Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018, whose
    Frank-Wolfe solver it is.

    Args:
        tasks: that are trained.
        epsilon: the solver stops where a step is smaller.
        max_iters: the solver's most steps.
    """

    @checked
    def __init__(self, tasks: Sequence[str], epsilon: Positive = 1e-3, max_iters: Count = 100) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.MGDAWeighting(epsilon, max_iters))


class PCGrad(FromGramian):
    """Gradient surgery: of each task's gradient, what opposes another's is taken away; their sum.

    Source: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.PCGradWeighting())


class GradVac(FromGramian):
    """Gradient vaccine: gradients are turned until their cosines are what they have been on average.

    Source: Wang et al., "Gradient Vaccine", ICLR 2021.

    Args:
        tasks: that are trained.
        beta: how much the present cosine counts in that average.
    """

    remembers = ("_phi_t",)

    @checked
    def __init__(self, tasks: Sequence[str], beta: Share = 0.5) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.GradVacWeighting(beta))

    def recall(self, aggregator: nn.Module, saved: Mapping[str, Any], matrix: Tensor) -> None:
        super().recall(aggregator, saved, matrix)
        aggregator._state_key = (len(matrix), matrix.dtype)


class CAGrad(FromGramian):
    """Conflict-averse gradient descent: the gradient near the mean under which the task that gains least gains most.

    Source: Liu, Liu, Jin, Stone and Liu, "Conflict-Averse Gradient Descent", NeurIPS 2021.

    Args:
        tasks: that are trained.
        c: how far it may be from the mean gradient, in lengths of it.
        norm_eps: gradients below this share of their common length count as 0.
    """

    @checked
    def __init__(self, tasks: Sequence[str], c: NotNegative = 0.4, norm_eps: NotNegative = 1e-4) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.CAGradWeighting(c, norm_eps))


class IMTLG(FromGramian):
    """Impartial multi-task learning: the gradient whose projections on all tasks' gradients are of one length.

    Source: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.IMTLGWeighting())


class AlignedMTL(FromGramian):
    """Independent component alignment: the gradients' principal components are made equally long.

    Source: Senushkin et al., "Independent Component Alignment for Multi-Task Learning", CVPR 2023.

    Args:
        tasks: that are trained.
        scale_mode: their length: the shortest one's, the median, or the root mean square.
    """

    @checked
    def __init__(self, tasks: Sequence[str], scale_mode: Literal["min", "median", "rmse"] = "min") -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.AlignedMTLWeighting(scale_mode=scale_mode))


class FairGrad(FromGramian):
    """Fair resource allocation: the gradient of alpha-fair progress of the tasks.

    Source: Ban and Ji, "Fair Resource Allocation in Multi-Task Learning", ICML 2024.

    Args:
        tasks: that are trained.
        alpha: 0 is the mean, 1 proportional fairness, and with higher ones the task that gains least counts most.
    """

    @checked
    def __init__(self, tasks: Sequence[str], alpha: NotNegative = 2.0) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.FairGradWeighting(alpha))


class UPGrad(FromGramian):
    """Unconflicting projection: each task's gradient is projected on what opposes no task; their mean.

    Source: Quinton and Rey, "Jacobian Descent for Multi-Objective Optimization", 2024 (arXiv:2406.16232).
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.UPGradWeighting())


class DualProj(FromGramian):
    """The mean gradient, projected on what opposes no task.

    Source: Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.DualProjWeighting())


class CRMOGM(FromGramian):
    """The weights of ``mgda``, smoothed over the steps by a moving average.

    Source: Zhou et al., "On the Convergence of Stochastic Multi-Objective Gradient Manipulation", NeurIPS 2022.

    Args:
        tasks: that are trained.
        alpha: how much the weights of the step before count.
    """

    remembers = ("_lambda",)

    @checked
    def __init__(self, tasks: Sequence[str], alpha: Share = 0.9) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.CRMOGMWeighting(torchjd.MGDAWeighting(), alpha))


class ConFIG(FromRows):
    """Conflict-free inverse gradients: the direction that makes the same angle with all tasks' gradients.

    Source: Liu, Chu and Thuerey, "ConFIG: Towards Conflict-free Training", ICLR 2025.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.ConFIG())


class NashMTL(Aggregation):
    """The tasks bargain for the direction; Nash's solution.

    Source: Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022.

    Args:
        tasks: that are trained.
        max_norm: of the gradient; 0 sets no bound.
        update_weights_every: steps for which weights are kept.
        optim_niter: most iterations of the solver.
    """

    @checked
    def __init__(
        self,
        tasks: Sequence[str],
        max_norm: NotNegative = 1.0,
        update_weights_every: Count = 1,
        optim_niter: Count = 20,
    ) -> None:
        super().__init__(
            tasks,
            lambda torchjd, count: (
                torchjd.NashMTL(count, max_norm, update_weights_every, optim_niter).weighting
            ),
        )
        self.max_norm = max_norm

    def combine(self, step: TrainingStep) -> Combined:
        if len(step.tasks) == 1:  # nobody to bargain with, which the solver cannot take
            length = step.jacobian.gramian.sqrt().flatten()
            bounded = (self.max_norm / length).clamp(max=1)
            return Combined(bounded if self.max_norm else torch.ones_like(length))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "You are solving a parameterized problem that is not DPP")
            return Combined(self.aggregate(step, square_root(step.jacobian.gramian)))

    def memory(self, aggregator: nn.Module) -> dict[str, Any]:
        return {
            "step": aggregator.step,
            "weights": np.asarray(aggregator.prvs_alpha).tolist(),
            "normalization_factor": np.asarray(aggregator.normalization_factor).tolist(),
        }

    def recall(self, aggregator: nn.Module, saved: Mapping[str, Any], matrix: Tensor) -> None:
        aggregator._init_optim_problem()  # which its first step would do
        aggregator.step = saved["step"]
        aggregator.prvs_alpha = np.array(saved["weights"])
        aggregator.normalization_factor = np.array(saved["normalization_factor"])


class GradDrop(Aggregation):
    """Gradient sign dropout: each parameter follows the tasks of one sign, drawn by how much speaks for it.

    Source: Chen et al., "Just Pick a Sign", NeurIPS 2020.
    """

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(tasks, lambda torchjd, _: torchjd.GradDrop())

    def combine(self, step: TrainingStep) -> Combined:
        matrix = step.jacobian.matrix()
        vector = self.aggregate(step, matrix)
        products = (matrix @ vector).double().cpu()
        return Combined(nearest_weights(step.jacobian.gramian, products), vector)


class ExcessMTL(Aggregation):
    """Robust multi-task learning: a task that is further from what it could reach has more weight.

    It remembers the squared gradients of each task, as much as the shared parameters once per task.

    Source: He et al., "Robust Multi-Task Learning with Excess Risks", ICML 2024.

    Args:
        tasks: that are trained.
        robust_step_size: of the weights.
        n_warmup_steps: steps of equal weights at first.
    """

    remembers = ("_weights", "_sq_grad_sum", "_initial_w", "_warmup_w_sum", "_n_steps")

    @checked
    def __init__(
        self,
        tasks: Sequence[str],
        robust_step_size: Positive = 1.0,
        n_warmup_steps: Annotated[int, Ge(0)] = 0,
    ) -> None:
        super().__init__(
            tasks, lambda torchjd, _: torchjd.ExcessMTLWeighting(robust_step_size, n_warmup_steps)
        )

    def combine(self, step: TrainingStep) -> Combined:
        return Combined(self.aggregate(step, step.jacobian.matrix()))

    def recall(self, aggregator: nn.Module, saved: Mapping[str, Any], matrix: Tensor) -> None:
        super().recall(aggregator, saved, matrix)
        aggregator._state_key = (*matrix.shape, matrix.dtype, matrix.device)
