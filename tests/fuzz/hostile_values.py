"""What stands in configs, annotations, tables and notes instead of what should."""

from __future__ import annotations

import pickle
from typing import Any

from tests.fuzz.trap import pickled

# fmt: off
NUMBERS: list[Any] = [
    0, -1, 1, 2, 3, 0.5, -0.5, 1e-320, 1e308, -1e308, 2**31, 2**31 - 1, 2**32, 2**63, 2**64, 10**6, 10**9, 10**30,
    10**400, float("nan"), float("inf"), -float("inf"), 1.0, 255, 8192, True,
]
PATTERNS = [
    "(a+)+$", "(?:a|aa)+$()", "(a|a)*$", "((?:a|a?)+)+$", "(?:.*)*(.*)*$", "(a{99999999})", "(a{99999999,})",
    "((((a{99}){99}){99}){99})", "(x{e})", "([[:alpha:]])", "((?R))", "(?P<x>(?P>x))", "(\\d+)_", "(.+)", "(?i)(é)",
    "(?L)(a)", "(" * 300,
]
"""Regular expressions: some take for ever, or very much memory, on a name such as ``aaaa…b``."""
TEXTS = [
    "", " ", ".", "..", "/", "~", "~nobody/x", "{0.x}", "{:999999999d}", "{}", "%s", "../../x", "/etc/passwd",
    "/dev/null", "x" * 300, "x" * 5000, "é", "☃", "\u202e", "a b", "a\nb", "on", "null", "1e3", "*", "(", "(a", "[[",
    "a.b", "auto", "all", "0", "mask", "name", "-1", "__class__", "train", "items", "a/b", "./a", "ab", "\U0001f600",
    "A\u030a", *PATTERNS,
]
NOT_IN_YAML = ["\0", "a\0b", "\ud800", "x" * 10_000, "9" * 5000]
"""Texts that a config cannot hold, or that are too long for it."""
CELLS = [
    "-1", "1e308", "-1e308", "1e-320", "1e999", "1_0", "0x10", "nan", "inf", "½", "٣", "a,b", '"', "&lol;", *TEXTS,
    *NOT_IN_YAML,
]
"""Texts where a number or a name is read from text."""
OUTSIDE = [
    "tests.fuzz.trap.Trap", "tests.fuzz.trap.trigger", "os.system", "torch.nn.Module", "torch.nn.Identity",
    "builtins.str", "subprocess.Popen", "math.pi", "a.b", ".x", "x.", "..", "cnnlib.losses.Loss", "torch.optim.Adam",
    "cnnlib.tasks.Task", "cnnlib.weighting.Weighting", "os.path.join", "cnnlib.datasets.Scenes", "é.é", "a b.c",
]
VALUES: list[Any] = [
    None, True, False, [], {}, [[]], [None], {"": 1}, {"name": 1}, {"name": None}, [1, "a"], {"a": {"b": 1}},
    *NUMBERS, *TEXTS,
]
PIECES = [
    "!!int ''", "!!python/object/apply:tests.fuzz.trap.trigger []", "!!python/name:tests.fuzz.trap.trigger",
    "!!float x", "!!binary eA==", "!!python/object/apply:os.system [true]", "!!set {a}", "!x y", "*a", "&a",
    "&a [*a]", "<<: *a", "? ", "- ", ": ", "\t", "\0", "\x07", "---", "...", "%YAML 9.9", "|", ">", "{", "[", "'", '"',
    "#", "[" * 3000, "{a: " * 3000, "- " * 3000, "\ufeff", "é", "\ud800", '"\\0"', '"\\ud800"', "!!str", "!!null x",
    "9" * 5000,
]
KEYS = [
    "name", "seeds", "baseline", "margins", "main_task", "first_seeds", "grid", "experiments", "dataset", "model",
    "tasks", "loss", "weight", "on", "epochs", "folds", "fold", "repeat", "size", "widths", "freeze", "start_from",
    "normalize", "x", "tasks.mask", "training.epochs", "tasks.mask.loss.0.weight", "learning_rate_factors",
    "group_pattern", "background_pattern", "predictions", "balance", "cache", "overfit_batches",
    "precision", "leaks", "on_error",
]
CONTENTS = [
    b"", b" ", b"\n\n", b"\0" * 1000, b"\xff\xfe", b"\x80" * 100, b"null", b"[]", b"{}", b"3", b'"a"', b"[" * 10**6,
    b"{a: " * 2000, b'{"a":' * 10**5, b"[" * 500 + b"]" * 500, b"name\n\n", b"epoch,name\n1\n", b",,,\n" * 1000,
    b"9" * 200_000, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", pickle.dumps(pickled()),
]
"""Whole files."""
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
