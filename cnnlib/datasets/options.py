"""Options that many data sets have, with their limits."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

from cnnlib.pictures import MAX_PIXELS

USUAL_PIXELS = 64_000_000
"""The default of ``max_pixels``: 8000 x 8000. Decoded, that is 200 MB, in each loading process."""

Side: TypeAlias = Annotated[int, Ge(1), Le(8192)]
"""Height and width of samples, in pixels; larger ones no memory holds."""
Share: TypeAlias = Annotated[float, Gt(0), Lt(1)]
"""Of the samples."""
Seed: TypeAlias = Annotated[int, Ge(0)]
"""Of what is drawn at random."""
MaxPixels: TypeAlias = Annotated[int, Ge(1), Le(MAX_PIXELS)]
"""Of a picture file that is decoded."""
CheckCount: TypeAlias = Annotated[int, Ge(1)]
"""How many samples ``check`` decodes."""
