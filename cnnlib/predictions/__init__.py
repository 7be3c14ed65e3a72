"""How predictions are kept."""

from collections.abc import Callable

from cnnlib.predictions.folder import FolderPersister
from cnnlib.predictions.zip import ZipPersister
from cnnlib.types import PredictionSink

PERSISTERS: dict[str, Callable[..., PredictionSink]] = {
    "folder": FolderPersister,
    "zip": ZipPersister,
}
