"""From a configuration to parts: data, tasks, model, losses, trainer."""

from cnnlib.assembly.data import ExperimentData, Loaders, make_loaders, open_data, refuse_leaks, splits_of
from cnnlib.assembly.learning_rate import find_learning_rate, finds_learning_rate, with_learning_rate
from cnnlib.assembly.model import (
    check_pretrained,
    describe_net,
    make_fabric,
    make_model,
    resolve_precision,
    shapes_of,
)
from cnnlib.assembly.targets import check_targets, measure_constant_predictor
from cnnlib.assembly.tasks import make_tasks
from cnnlib.assembly.training import expect_memory, make_trainer
