"""Times training against the plain way and against Lightning, ways to load data, and the latency of models.

python tools/benchmark.py training
python tools/benchmark.py lightning
python tools/benchmark.py data
python tools/benchmark.py memory
python tools/benchmark.py inference configs/l1_depth.yaml
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # where ``tools`` is, from wherever this is called

from cnnlib.types import CnnlibError
from tools.benchmarks import data, inference, lightning, loading_memory, training


def main(arguments: list[str] | None = None) -> int:
    """0: timed; 2: the config or an option is at fault."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_subparsers(required=True)
    training.add_arguments(what.add_parser("training", help="the engine against a plain loop"))
    lightning.add_arguments(what.add_parser("lightning", help="the engine against Lightning's Trainer"))
    data.add_arguments(what.add_parser("data", help="composites and decoded samples against files"))
    loading_memory.add_arguments(what.add_parser("memory", help="memory over an epoch of shards"))
    inference.add_arguments(what.add_parser("inference", help="latency of the models of a config"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
