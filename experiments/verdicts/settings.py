"""Simulated suites: what is equal in them, what is odd, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

_SEED_SD = 0.3
_NOISE_SD = 0.7
"""Of one run on one image, beyond what its seed and the image explain."""


@dataclass(frozen=True)
class Setting:
    """A kind of suite. Scores have a mean per image that all experiments share, and for each experiment images of its
    own that are easy or hard for it, with a skew.

    Attributes:
        shared: the share of the seeds' variance that runs of one seed have in common.
        odd: experiments whose runs vary ``times`` as much (standard deviation) as the others': ``none``, ``fifth``
            (every fifth), ``last``, ``baseline``; or ``spread``: each varies by its own factor, exp of a normal
            variable of standard deviation 0.5.
        heavy: seeds follow Student's t with 3 degrees of freedom instead of a normal distribution.
        group: images in a row that share what is easy or hard for an experiment; each group counts as one.
        effect: of one experiment, in standard deviations over seeds; the others equal the baseline.
        margin: likewise; that experiment is "found" if it is shown to be equal within it. 0 looks for differences.
        most_seeds: seeds are added, one by one, up to so many until all is decided; 0 takes them as they are.
    """

    name: str
    experiments: int
    seeds: int
    shared: float = 0.0
    odd: Literal["none", "fifth", "last", "baseline", "spread"] = "none"
    times: float = 20.0
    heavy: bool = False
    images: int = 100
    group: int = 1
    effect: float = 0.0
    margin: float = 0.0
    most_seeds: int = 0

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """(experiments, seeds, groups); the first experiment is the baseline."""
        seeds = self.most_seeds or self.seeds

        def normal(*shape: int) -> np.ndarray:
            return random.standard_t(3, shape) / np.sqrt(3) if self.heavy else random.normal(size=shape)

        common, own = (
            np.sqrt(self.shared) * normal(seeds),
            np.sqrt(1 - self.shared) * normal(self.experiments, seeds),
        )
        of_seed = _SEED_SD * self._spread(random)[:, None] * (common + own)
        groups = self.images // self.group
        of_image = random.normal(size=groups) + 0.4 * (
            random.exponential(size=(self.experiments, 1, groups)) - 1
        )
        noise = random.normal(size=(self.experiments, seeds, groups)) * _NOISE_SD / np.sqrt(self.group)
        effects = np.zeros(self.experiments)
        effects[1] = self.effect * _SEED_SD
        return effects[:, None, None] + of_seed[..., None] + of_image + noise

    def _spread(self, random: np.random.Generator) -> np.ndarray:
        """How many times as much as usual each experiment's runs vary."""
        spread = np.ones(self.experiments)
        if self.odd == "spread":
            return np.exp(0.5 * random.normal(size=self.experiments))
        if self.odd == "fifth":
            spread[4::5] = self.times
        elif self.odd == "last":
            spread[-1] = self.times
        elif self.odd == "baseline":
            spread[0] = self.times
        return spread

    @property
    def far(self) -> float:
        """The margin in the scores' unit."""
        return self.margin * _SEED_SD


def as_scores(table: np.ndarray) -> Mapping[str, Mapping[int, np.ndarray]]:
    return {str(index): dict(enumerate(of_seeds)) for index, of_seeds in enumerate(table)}
