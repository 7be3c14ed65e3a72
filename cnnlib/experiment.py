"""One experiment under one seed: parts to result."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from cnnlib.assembly import (
    ExperimentData,
    expect_memory,
    find_learning_rate,
    finds_learning_rate,
    make_loaders,
    make_trainer,
    measure_constant_predictor,
    open_data,
    resolve_precision,
    with_learning_rate,
)
from cnnlib.config import ExperimentConfig, build
from cnnlib.engine.overfitting import overfit_verdict
from cnnlib.engine.trainer import Trainer
from cnnlib.environment import OtherLoad, environment, peak_memory_mib
from cnnlib.files import read_json, write_atomically, write_json
from cnnlib.models.standardization import channel_statistics_of
from cnnlib.parents import Parent, keep_record, read_parent
from cnnlib.predictions import PERSISTERS
from cnnlib.reporting.progress import ConsoleProgress
from cnnlib.reporting.run_log import RunLog, describe_run
from cnnlib.reporting.tables import HistoryFile, PerImageFile
from cnnlib.reporting.tensorboard import PanelSink, TensorBoardLogger
from cnnlib.reporting.top_three import TopThree
from cnnlib.runs import Run
from cnnlib.tasks.class_counts import ClassCounts, counts_to_json
from cnnlib.tasks.saved import write_data
from cnnlib.types import CnnlibError

_PANELS_PER_EPOCH = 4
_SKIPPED_SHOWN = 20


def run_experiment(run: Run) -> None:
    """Trains, tests and saves; continues from the last checkpoint where the run's folder holds one.

    Raises:
        CnnlibError: the data or a checkpoint cannot be used.
        TrainingDivergedError: the loss became NaN or infinite.
    """
    config = run.config
    run.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(run.folder / "config.yaml", run.config_text())
    data = open_data(config, run.seed)
    write_data(data.source, run.folder)
    ranked_by = [
        {"metric": f"{name}/{task.main_metric}", "higher_is_better": task.higher_is_better}
        for name, task in data.tasks.items()
    ]
    progress = ConsoleProgress(
        f"{run.experiment} seed {run.seed}", [f"val/{ranked['metric']}" for ranked in ranked_by]
    )
    if parent := read_parent(run):
        keep_record(run, parent)
    config = _with_learning_rate(config, data, run, parent)
    loaders = make_loaders(config, data, run.seed)
    trainer = make_trainer(config, data, run.seed, run.folder / "checkpoints", progress)
    device = trainer.fabric.device
    machine = environment(device, resolve_precision(config.training.precision))
    write_json(run.folder / "environment.json", machine)

    memory = expect_memory(config, data, trainer)
    print(f"{run.experiment} seed {run.seed}: {memory.words()}", file=sys.stderr)

    others = OtherLoad()
    if not trainer.resume() and parent:
        parent.hand_over(run, trainer)
    tensorboard = TensorBoardLogger(run.folder, purge_step=trainer.state.epoch + 1)
    log = RunLog(
        run.folder / "run.log",
        _describe(run, machine, data, trainer),
        trainer.state.history,
        [f"val/{ranked['metric']}" for ranked in ranked_by],
    )
    trainer.fit(
        loaders.train,
        loaders.val,
        lambda epoch: PanelSink(tensorboard, data.tasks, data.source.inputs, epoch, _PANELS_PER_EPOCH),
        [tensorboard, HistoryFile(run.folder / "metrics.csv", trainer.state.history), log],
    )
    used_by_others = others.share()

    began = time.perf_counter()
    numbers, counts = _test(run, data, trainer, loaders.test)
    measured = {
        "test_seconds": time.perf_counter() - began,
        "cores_used_by_others": used_by_others,
        "test": numbers,
        "by_class": counts_to_json(counts),
        "ranked_by": ranked_by,
    }
    result = _result(run, config, data, trainer, parent) | measured
    if (batches := config.training.overfit_batches) is not None:
        result["overfit"] = overfit_verdict(trainer.objective.trained, numbers, result["constant"], batches)
    log.log_result(result, counts)
    tensorboard.log_classes(counts, trainer.state.best_epoch)
    tensorboard.log_hparams(
        {"seed": run.seed, **config.flat()},
        {f"test/{ranked['metric']}": numbers[ranked["metric"]] for ranked in ranked_by},
    )
    tensorboard.close()
    write_json(run.folder / "result.json", result)


def _test(
    run: Run, data: ExperimentData, trainer: Trainer, test: DataLoader[Any]
) -> tuple[dict[str, float], dict[str, ClassCounts]]:
    """The metrics of the best weights on the test split, and the counts of the tasks that have classes; saves what it
    predicts.
    """
    trainer.load_best()
    out, inputs = run.folder / "predictions", data.source.inputs
    persister = build(run.config.predictions, PERSISTERS, out=out, tasks=data.tasks, inputs=inputs)
    per_image = PerImageFile(run.folder / "per_image.csv", trainer.metrics)
    sinks = [persister, per_image, TopThree(run.folder, data.tasks, inputs)]
    numbers = trainer.validate(test, sinks)
    for sink in sinks:
        sink.close()
    measured = {name: task.class_counts(trainer.metrics[name]) for name, task in data.tasks.items()}
    return numbers, {name: counted for name, counted in measured.items() if counted is not None}


def _result(
    run: Run, config: ExperimentConfig, data: ExperimentData, trainer: Trainer, parent: Parent | None
) -> dict[str, Any]:
    """``result.json`` without what the test split gives."""
    state = trainer.state
    result = {
        "suite": run.suite,
        "experiment": run.experiment,
        "seed": run.seed,
        "status": "finished",
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "seconds": state.seconds,
        "images_per_second": sum(row["images_per_second"] for row in state.history) / len(state.history),
        "peak_memory_mib": peak_memory_mib(trainer.fabric.device),
        "parameters": sum(parameter.numel() for parameter in trainer.evaluated.parameters()),
        "constant": measure_constant_predictor(data) if run.constant is None else run.constant,
    }
    if data.skipped is not None:
        result["skipped"] = {"count": len(data.skipped), "first": data.skipped[:_SKIPPED_SHOWN]}
    if statistics := channel_statistics_of(trainer.evaluated):
        result["normalize"] = statistics
    if finds_learning_rate(run.config):
        result["learning_rate"] = config.optimizer.options["learning_rate"]
    if parent:
        result["start_from"] = parent.record
    if config.dataset.cross_validated:
        result["folds"] = config.dataset.folds
    return result


def _describe(run: Run, machine: Mapping[str, Any], data: ExperimentData, trainer: Trainer) -> str:
    return describe_run(
        f"cnnlib run: suite {run.suite}, experiment {run.experiment}, seed {run.seed}",
        run.config_text(),
        machine,
        data.source.inputs,
        {"train": data.train, "val": data.val, "test": data.test},
        data.tasks,
        trainer.model.module,
        data.train[0]["image"].to(trainer.fabric.device),
    )


def _with_learning_rate(
    config: ExperimentConfig, data: ExperimentData, run: Run, parent: Parent | None
) -> ExperimentConfig:
    """With a number in the place of ``auto``: what this run's own range test suggests; a run that was interrupted keeps
    what it found.
    """
    if not finds_learning_rate(config):
        return config
    path = run.folder / "learning_rate.json"
    rate = _found_rate(path)
    if rate is None:
        begin = partial(parent.hand_over, run) if parent else lambda trainer: None
        found = find_learning_rate(config, data, run.seed, begin)
        write_json(path, vars(found))
        rate = found.suggestion
    print(f"{run.experiment} seed {run.seed}: learning_rate: auto found {rate:g}", file=sys.stderr)
    return with_learning_rate(config, rate)


def _found_rate(path: Path) -> float | None:
    """``None`` where none was found yet, or the file is damaged."""
    try:
        found = read_json(path)
    except (FileNotFoundError, CnnlibError):
        return None
    rate = found.get("suggestion") if isinstance(found, dict) else None
    return rate if type(rate) is float and math.isfinite(rate) and rate > 0 else None
