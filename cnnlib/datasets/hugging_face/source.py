"""Data sets of the Hugging Face ``datasets`` library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from annotated_types import Ge, MinLen

from cnnlib.checks import checked, did_you_mean
from cnnlib.datasets.fitting import check_fit
from cnnlib.datasets.hugging_face.samples import TableSamples
from cnnlib.datasets.hugging_face.tables import Table, check_column, open_tables, read_table
from cnnlib.datasets.hugging_face.targets import column_target
from cnnlib.datasets.numbered_splits import NumberedSplits
from cnnlib.datasets.options import USUAL_PIXELS, CheckCount, MaxPixels, Seed, Share, Side
from cnnlib.datasets.splits import Subset, split_indices
from cnnlib.types import CnnlibError, Fit, SampleSource, Split

_USUAL: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("validation", "val", "valid"),
    "test": ("test",),
}


class HuggingFace(NumberedSplits):
    """Tables of ``datasets``: a saved data set, parquet or Arrow files, or a name on the hub. Rows are read from disk.

    A row whose target is null has no such target. Images are resized with antialiasing, maps by nearest neighbour.

    Args:
        path: a folder that ``save_to_disk`` wrote, a parquet or Arrow file, a folder of files that ``load_dataset``
            knows, or a name on the hub, which is downloaded.
        inputs: the column of each picture that an image is made of, ``{image: photo}``; the targets belong to the last.
        targets: by name, a column (the name is then the kind: ``{mask: annotation}``), or a mapping with ``column``;
            and ``kind``, ``names`` of classes or points (of a column of classes its own), ``flip_order``, ``unit``,
            ``multi_label: true``, and what else the kind takes: depth ``scale`` and ``zero_is_invalid``, semantic
            ``ignore_index``. Coordinates are in pixels, boxes xmin, ymin, xmax, ymax.
        splits: of train, test and, if there is one, val, the table of each. By default those that are called so; a
            single table is split at random, and where there is none for val, it is taken out of the training table.
        val, test: the shares of a random split.
        seed: of the random split.
        name_column: the samples' names; by default the table and the number of the row.
        group_column: the samples' groups; the random split never divides one.
        stream: use only the first so many rows of each table, held in memory; no more of them is downloaded.
        size: samples become ``size`` x ``size``. Without it they stay as stored, and must share one size.
        fit: how pictures of another shape become square: they are stretched, or ``pad`` makes the longer side ``size``
            and adds black, not valid in maps, at the right and at the bottom.
        max_pixels: a picture that says that it has more is not decoded, and is an error like every other.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: ``datasets`` is not installed, the tables cannot be opened, or an option does not fit them.
    """

    @checked
    def __init__(
        self,
        path: str,
        inputs: Annotated[dict[str, str], MinLen(1)],
        targets: Annotated[dict[str, str | dict[str, Any]], MinLen(1)],
        splits: dict[Split, str] | None = None,
        val: Share = 0.1,
        test: Share = 0.1,
        seed: Seed = 0,
        name_column: str | None = None,
        group_column: str | None = None,
        stream: Annotated[int, Ge(1)] | None = None,
        size: Side | None = None,
        fit: Fit = "stretch",
        max_pixels: MaxPixels = USUAL_PIXELS,
        check: CheckCount | None = None,
    ) -> None:
        check_fit(fit, size)
        opened = _chosen(open_tables(path, stream is not None), splits, path)
        tables = {name: read_table(table, stream, path) for name, table in opened.items()}
        described = {
            key: given if isinstance(given, Mapping) else {"column": given} for key, given in targets.items()
        }
        _check_columns(list(tables.values()), inputs, described, name_column, group_column)
        features = next(iter(tables.values())).features
        columns = {}
        for key, given in described.items():
            try:
                columns[key] = column_target(key, given, features[given["column"]])
            except CnnlibError as error:
                raise CnnlibError(f"targets.{key}: {error}") from None
        self.inputs = dict.fromkeys(inputs, 3)
        self.targets = {key: target.task.info for key, target in columns.items()}
        self.size, self.fit = size, fit
        samples = {
            name: TableSamples(name, table, inputs, columns, name_column, group_column, size, fit, max_pixels)
            for name, table in tables.items()
        }
        super().__init__(_divided(samples, val, test, seed), f"the data set {path}", check)


def _chosen(tables: Mapping[str, Table], splits: Mapping[Split, str] | None, path: str) -> dict[str, Table]:
    """The one table that is to be split, or those of train, test and perhaps val, by these names."""
    if splits is None and len(tables) == 1:
        return dict(tables)
    if splits is None:
        usual = {part: next((name for name in names if name in tables), "") for part, names in _USUAL.items()}
        splits = {part: name for part, name in usual.items() if name}
    if missing := [part for part in ("train", "test") if part not in splits]:
        raise CnnlibError(
            f"splits must name a table for train and test, and may name one for val; {missing[0]} is missing, and "
            f"{path} has {', '.join(tables)}"
        )
    for part, name in splits.items():
        if name not in tables:
            raise CnnlibError(
                f"splits.{part}: there is no table {name!r}{did_you_mean(name, tables)}; there are {', '.join(tables)}"
            )
    if len(set(splits.values())) < len(splits):
        raise CnnlibError(f"splits must name different tables; they are {', '.join(splits.values())}")
    return {part: tables[name] for part, name in splits.items()}


def _check_columns(
    tables: Sequence[Table],
    inputs: Mapping[str, str],
    targets: Mapping[str, Mapping[str, Any]],
    name_column: str | None,
    group_column: str | None,
) -> None:
    for key, given in targets.items():
        if not isinstance(given.get("column"), str):
            raise CnnlibError(
                f"targets.{key} needs column, the name of a column; it has {', '.join(given) or 'nothing'}"
            )
    named = {f"inputs.{key}": column for key, column in inputs.items()}
    named |= {f"targets.{key}": given["column"] for key, given in targets.items()}
    named |= {"name_column": name_column, "group_column": group_column}
    for option, column in named.items():
        if column is not None:
            check_column(tables, column, option)


def _divided(
    samples: Mapping[str, TableSamples], val: float, test: float, seed: int
) -> dict[Split, SampleSource]:
    if "val" in samples:
        return {part: samples[part] for part in ("train", "val", "test")}
    first = next(iter(samples.values()))
    groups = None if first.group_column is None else [first.group(index) or "" for index in range(len(first))]
    parts = split_indices(len(first), val, test if len(samples) == 1 else None, seed, groups)
    drawn: dict[Split, SampleSource] = {part: Subset(first, indices) for part, indices in parts.items()}
    return drawn if len(samples) == 1 else {**drawn, "test": samples["test"]}
