"""YAML to checked objects: ``load_suite`` reads, ``build`` builds, ``to_yaml`` writes what was run."""

from cnnlib.config.build import build
from cnnlib.config.editor_schema import json_schema
from cnnlib.config.errors import ConfigError, Problem
from cnnlib.config.load import load_suite, parse_suite, to_yaml
from cnnlib.config.schema import (
    Component,
    ExperimentConfig,
    LossTerm,
    SuiteConfig,
    TaskConfig,
    TrainingConfig,
)

__all__ = [
    "Component",
    "ConfigError",
    "ExperimentConfig",
    "LossTerm",
    "Problem",
    "SuiteConfig",
    "TaskConfig",
    "TrainingConfig",
    "build",
    "json_schema",
    "load_suite",
    "parse_suite",
    "to_yaml",
]
