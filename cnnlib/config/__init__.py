"""YAML to checked objects: ``load_suite`` reads, ``build`` builds, ``to_yaml`` writes what was run."""

from cnnlib.config.component import Component, build
from cnnlib.config.editor_schema import json_schema
from cnnlib.config.errors import ConfigError
from cnnlib.config.load import load_suite, parse_suite, to_yaml
from cnnlib.config.schema import ExperimentConfig, SuiteConfig

__all__ = [
    "Component",
    "ConfigError",
    "ExperimentConfig",
    "SuiteConfig",
    "build",
    "json_schema",
    "load_suite",
    "parse_suite",
    "to_yaml",
]
