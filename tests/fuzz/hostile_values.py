"""What stands in a config instead of what should."""

from __future__ import annotations

from typing import Any

# fmt: off
NUMBERS: list[Any] = [
    0, -1, 1, 2, 3, 0.5, -0.5, 1e-320, 1e308, -1e308, 2**31, 2**31 - 1, 2**32, 2**63, 2**64, 10**6, 10**9, 10**30,
    10**400, float("nan"), float("inf"), -float("inf"), 1.0, 255, 8192, True,
]
TEXTS = [
    "", " ", ".", "..", "/", "~", "~nobody/x", "{0.x}", "{:999999999d}", "{}", "%s", "../../x", "/etc/passwd",
    "/dev/null", "x" * 300, "x" * 5000, "é", "☃", "\u202e", "a b", "a\nb", "on", "null", "1e3", "*", "(", "(a", "[[",
    "a.b", "auto", "all", "0", "mask", "name", "-1", "__class__", "train", "items", "a/b", "./a", "ab", "\U0001f600",
    "A\u030a",
]
OUTSIDE = [
    "tests.fuzz.canary.Canary", "tests.fuzz.canary.sing", "os.system", "torch.nn.Module", "torch.nn.Identity",
    "builtins.str", "subprocess.Popen", "math.pi", "a.b", ".x", "x.", "..", "cnnlib.losses.Loss", "torch.optim.Adam",
    "cnnlib.tasks.Task", "cnnlib.weighting.Weighting", "os.path.join", "cnnlib.datasets.Scenes", "é.é", "a b.c",
]
VALUES: list[Any] = [
    None, True, False, [], {}, [[]], [None], {"": 1}, {"name": 1}, {"name": None}, [1, "a"], {"a": {"b": 1}},
    *NUMBERS, *TEXTS,
]
PIECES = [
    "!!int ''", "!!float x", "!!binary eA==", "!!python/object/apply:os.system [true]", "!!set {a}", "!x y", "*a", "&a",
    "&a [*a]", "<<: *a", "? ", "- ", ": ", "\t", "\0", "\x07", "---", "...", "%YAML 9.9", "|", ">", "{", "[", "'", '"',
    "#", "[" * 3000, "{a: " * 3000, "- " * 3000, "\ufeff", "é", "\ud800", '"\\0"', '"\\ud800"', "!!str", "!!null x",
    "9" * 5000,
]
KEYS = [
    "name", "seeds", "baseline", "margins", "main_task", "first_seeds", "grid", "experiments", "dataset", "model",
    "tasks", "loss", "weight", "on", "epochs", "folds", "fold", "repeat", "size", "widths", "freeze", "start_from",
    "normalize", "x", "tasks.mask", "training.epochs", "tasks.mask.loss.0.weight", "learning_rate_factors",
    "predictions", "balance", "cache", "overfit_batches", "precision", "leaks", "on_error",
]
# fmt: on
SECTIONS: dict[str, Any] = {
    "freeze": {"trained_stages": 1, "unfreeze": [{"epoch": 2, "trained_stages": "all"}]},
    "start_from": {"run": "a", "heads": True},
    "learning_rate_factors": {"encoder": 0.1, "per_stage": 0.5},
    "margins": {"mask": 0.01},
    "main_task": "mask",
    "first_seeds": 2,
    "grid": {"optimizer.learning_rate": [0.1, 0.2], "dataset.seed": [1, 2]},
}
