"""Two processes of one group (gloo, on the CPU), each of which loads its share of the same shards."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from torch import distributed, multiprocessing

from cnnlib.datasets import Shards
from cnnlib.datasets.loading import training_loader

EPOCHS = 3


def load(rank: int, shards: str, out: str) -> None:
    """Writes the names of every batch of every epoch, as this process has them."""
    warnings.simplefilter("ignore")  # of more loading processes than there are cores
    distributed.init_process_group("gloo", init_method=f"file://{out}/meeting", rank=rank, world_size=2)
    split = Shards(shards).split("train")
    loader = training_loader(split, lambda sample: {"name": sample["name"]}, 1, workers=2, seed=5)
    epochs = []
    for epoch in range(EPOCHS):
        loader.sampler.epoch = epoch
        epochs.append([batch["name"][0] for batch in loader])
    Path(out, f"{rank}.json").write_text(json.dumps(epochs))
    distributed.barrier()
    distributed.destroy_process_group()


def launch(shards: Path, out: Path) -> list[list[list[str]]]:
    """The names by process and epoch."""
    multiprocessing.spawn(load, (str(shards), str(out)), nprocs=2)
    return [json.loads((out / f"{rank}.json").read_text()) for rank in range(2)]
