"""YAML to checked objects: ``load_suite`` reads, ``build`` builds, ``to_yaml`` writes what was run."""

from cnnlib.config.component import Component, build
from cnnlib.config.errors import ConfigError
from cnnlib.config.load import load_experiment, load_suite, parse_suite, to_yaml, until_decided
from cnnlib.config.schema import ExperimentConfig, SuiteConfig
