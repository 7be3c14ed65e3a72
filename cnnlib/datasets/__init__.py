"""Where samples come from."""

from cnnlib.datasets.boxes import Boxes
from cnnlib.datasets.cityscapes import Cityscapes
from cnnlib.datasets.composites import Composites
from cnnlib.datasets.cropped_scenes import CroppedScenes
from cnnlib.datasets.faces import Faces
from cnnlib.datasets.feet import Feet
from cnnlib.datasets.fg_bg import FgBg
from cnnlib.datasets.folders import Folders
from cnnlib.datasets.hugging_face import HuggingFace
from cnnlib.datasets.keypoints import Keypoints
from cnnlib.datasets.label_studio import LabelStudio
from cnnlib.datasets.nyuv2 import NYUv2
from cnnlib.datasets.phones import Phones
from cnnlib.datasets.scenes import Scenes
from cnnlib.datasets.shards import Shards
from cnnlib.types import DataSource

DATASETS: dict[str, type[DataSource]] = {
    "scenes": Scenes,
    "cropped_scenes": CroppedScenes,
    "phones": Phones,
    "faces": Faces,
    "feet": Feet,
    "folders": Folders,
    "fg_bg": FgBg,
    "keypoints": Keypoints,
    "label_studio": LabelStudio,
    "boxes": Boxes,
    "nyuv2": NYUv2,
    "cityscapes": Cityscapes,
    "composite": Composites,
    "shards": Shards,
    "hugging_face": HuggingFace,
}
