"""Tables of Hugging Face's ``datasets``."""

from cnnlib.datasets.hugging_face.source import HuggingFace

__all__ = ["HuggingFace"]
