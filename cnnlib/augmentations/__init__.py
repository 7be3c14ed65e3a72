"""What changes a training sample at random: its geometry as a whole, or the look of its image."""

from cnnlib.augmentations.base import Geometric, Photometric
from cnnlib.augmentations.blur import Blur
from cnnlib.augmentations.color import Color
from cnnlib.augmentations.cutout import Cutout
from cnnlib.augmentations.flip import Flip
from cnnlib.augmentations.noise import Noise
from cnnlib.augmentations.pipeline import Pipeline
from cnnlib.augmentations.rotate import Rotate
from cnnlib.augmentations.scale_crop import ScaleCrop
from cnnlib.augmentations.similarity import Similarity

AUGMENTATIONS: dict[str, type[Geometric] | type[Photometric]] = {
    "flip": Flip,
    "rotate": Rotate,
    "scale_crop": ScaleCrop,
    "cutout": Cutout,
    "color": Color,
    "noise": Noise,
    "blur": Blur,
}
