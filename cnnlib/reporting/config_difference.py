"""What differs between two configurations, in words: ``learning rate 0.001 -> 0.0001``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str, ...]

_PHRASES: dict[KeyPath, str] = {
    ("model", "*"): "model option {}",
    ("optimizer", "*"): "{}",
    ("training", "*"): "{}",
    ("augmentations", "*", "*"): "{1} of {0}",
    ("tasks", "*", "loss", "*", "weight"): "loss weight of {} ({})",
    ("tasks", "*", "loss", "*", "*"): "{2} of {1} (loss of {0})",
    ("tasks", "*", "loss"): "loss of {}",
    ("tasks", "*", "weight"): "loss weight of {}",
    ("tasks", "*", "*"): "{1} of {0}",
    ("freeze", "trained_stages"): "trained encoder stages",
    ("freeze", "unfreeze"): "unfreezing by epoch",
}
"""What a value is called, by its key path: the first that fits. Others are called ``section: key``."""

_LEFT_OUT = {
    "freeze": {"trained_stages": "all", "unfreeze": []},
    "learning_rate_factors": dict.fromkeys(("encoder", "decoders", "heads", "per_stage"), "1"),
}
"""What sections stand for that a configuration leaves out."""


def difference_words(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """A phrase for every value that differs; none for equal configurations.

    Args:
        old, new: sections to values, every value as text (``RunResult.config``). Numbers are compared as numbers, and
            lists of components by their names.
    """
    before, after = _one_spelling({**_LEFT_OUT, **old}), _one_spelling({**_LEFT_OUT, **new})
    sections = dict.fromkeys([*old, *new])
    return [words for key in sections for words in _differences(before.get(key), after.get(key), (key,))]


def _one_spelling(value: Any) -> Any:
    """``100``, ``100.0`` and ``1e2`` are one number."""
    if isinstance(value, Mapping):
        return {key: _one_spelling(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_one_spelling(item) for item in value]
    try:
        return f"{float(value):.12g}"
    except ValueError:
        return value


def _differences(old: Any, new: Any, path: KeyPath) -> Iterator[str]:
    """Of what stands at ``path``; ``None`` stands for nothing there."""
    if old == new:
        return
    if _are_components(old) and _are_components(new):
        yield from _list_differences(_labelled(old), _labelled(new), path)
    elif isinstance(old, dict) and isinstance(new, dict) and old.get("name") == new.get("name"):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(old.get(key), new.get(key), (*path, key))
    elif old is None and isinstance(new, dict):
        yield _one_sided("added", path, new)
    elif new is None and isinstance(old, dict):
        yield _one_sided("removed", path, old)
    else:
        yield f"{_called(path)} {_shown(old, new)} -> {_shown(new, old)}"


def _one_sided(verb: str, path: KeyPath, value: dict[str, Any]) -> str:
    *above, key = path
    if isinstance(name := value.get("name"), str) and key.startswith(name):
        value = {inner: item for inner, item in value.items() if inner != "name"}  # the key says it
    where = f"{_called(tuple(above))}: " if above else ""
    return f"{where}{verb} {key} {_shown(value)}".removesuffix(" {}")


def _list_differences(old: dict[str, Any], new: dict[str, Any], path: KeyPath) -> Iterator[str]:
    """Of components by label; the only new one takes the place of the only one that is gone."""
    gone = [label for label in old if label not in new]
    came = [label for label in new if label not in old]
    kept = [label for label in old if label in new]
    if len(gone) == len(came) == 1:
        yield f"{_called(path)} {_shown(old[gone[0]], new[came[0]])} -> {_shown(new[came[0]], old[gone[0]])}"
    else:
        yield from (_one_sided("removed", (*path, label), old[label]) for label in gone)
        yield from (_one_sided("added", (*path, label), new[label]) for label in came)
    for label in kept:
        yield from _differences(old[label], new[label], (*path, label))
    order = [label for label in new if label in old]
    if kept != order:
        yield f"{_called(path)} in another order: {', '.join(order)}"


def _are_components(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in value
    )


def _labelled(components: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Name to component; ``flip (2)`` is the second of that name."""
    labelled: dict[str, Any] = {}
    for one in components:
        label, count = one["name"], 1
        while label in labelled:
            count += 1
            label = f"{one['name']} ({count})"
        labelled[label] = one
    return labelled


def _called(path: KeyPath) -> str:
    """What stands at ``path``, in words."""
    spoken = (*path[:-1], path[-1].replace("_", " "))
    for pattern, phrase in _PHRASES.items():
        if len(pattern) == len(path) and all(map(_fits, pattern, path)):
            return phrase.format(*(key for part, key in zip(pattern, spoken, strict=True) if part == "*"))
    section, *keys = (path[0].replace("_", " "), *spoken[1:])
    return f"{section}: {' '.join(keys)}" if keys else section


def _fits(part: str, key: str) -> bool:
    return part in ("*", key)


def _shown(value: Any, beside: Any = None) -> str:
    """As YAML on one line; of a component beside another, only the options that the other has not, or not so."""
    if value is None:
        return "unset"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if not isinstance(value, dict):
        return value or "''"
    other = beside if isinstance(beside, dict) else {}
    options = [
        f"{key}: {_shown(item)}" for key, item in value.items() if key != "name" and other.get(key) != item
    ]
    name = [_shown(value["name"])] if "name" in value else []
    return " ".join([*name, *(["{" + ", ".join(options) + "}"] if options or not name else [])])
