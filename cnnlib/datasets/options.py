"""Options that many data sets have, with their limits."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

from cnnlib.pictures import MAX_PIXELS

USUAL_PIXELS = 64_000_000
"""The default of ``max_pixels``: 8000 x 8000. Decoded, that is 200 MB, in each loading process."""

Side: TypeAlias = Annotated[int, Ge(1), Le(8192)]
"""The height and width of samples, in pixels. Larger ones no memory holds."""
Share: TypeAlias = Annotated[float, Gt(0), Lt(1)]
"""A share of the samples, above 0 and below 1."""
Seed: TypeAlias = Annotated[int, Ge(0)]
"""The seed of what is drawn at random."""
MaxPixels: TypeAlias = Annotated[int, Ge(1), Le(MAX_PIXELS)]
"""The most pixels that a picture file may have to be decoded."""
CheckCount: TypeAlias = Annotated[int, Ge(1)]
"""The number of samples that ``check`` decodes."""
