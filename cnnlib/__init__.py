"""cnnlib: multi-task dense prediction, from one YAML file to an answer that can be trusted."""

__version__ = "0.1.0"
