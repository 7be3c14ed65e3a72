"""The rows of a Hugging Face table as samples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image

from cnnlib.datasets.fitting import fitted_size, padded, padded_target
from cnnlib.datasets.hugging_face.tables import Table, file_content, has_value, undecoded, values
from cnnlib.datasets.hugging_face.targets import ColumnTarget
from cnnlib.datasets.image_files import ImageFileError, Stored, decode_stored, to_color, to_image
from cnnlib.types import CnnlibError, EmbeddedPicture, Fit, Sample, Size


@dataclass
class TableSamples:
    """The rows of one table."""

    title: str
    table: Table
    inputs: Mapping[str, str]
    targets: Mapping[str, ColumnTarget]
    name_column: str | None
    group_column: str | None
    size: int | None
    fit: Fit
    max_pixels: int
    """Of a stored picture."""

    def __post_init__(self) -> None:
        self._known = {key: has_value(self.table, target.column) for key, target in self.targets.items()}
        self._groups = self._texts(self.group_column)
        self._names = self._texts(self.name_column)
        self._classes: list[str | None] | None = None
        if (target := next((each for each in self.targets.values() if each.one_class), None)) is not None:
            self._classes = [target.class_of(value) for value in values(self.table, target.column)]
        columns = [*self.inputs.values(), *(target.column for target in self.targets.values())]
        self._rows, self._pictures = undecoded(self.table, columns)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> Sample:
        """
        Raises:
            CnnlibError: the row cannot be used; it is named.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} samples; there is no index {index}")
        place = f"{self.title}, row {index}"
        found = self._row(index, place)
        pictures = [
            self._picture(found[column], f"{place}, column {column!r}") for column in self.inputs.values()
        ]
        stored = (pictures[-1].height, pictures[-1].width)
        if self.size is None and stored != self._one_size:
            raise CnnlibError(
                f"{place} is {stored[0]} x {stored[1]} pixels, others are {self._one_size[0]} x {self._one_size[1]}; "
                "set size to resize all"
            )
        inner = fitted_size(stored, self.size, self.fit)
        size = inner if self.size is None else (self.size, self.size)
        sample: Sample = {"image": padded(to_image(pictures, inner), size), "name": self._name(index)}
        for key in self.labels(index):
            target = self.targets[key]
            read = target.read(found[target.column], stored, inner, f"{place}, column {target.column!r}")
            sample[key] = padded_target(read, size)
        if self._groups is not None:
            sample["group"] = self._groups[index]
        return sample

    def labels(self, index: int) -> Collection[str]:
        return [key for key, there in self._known.items() if there[index]]

    def group(self, index: int) -> str | None:
        return None if self._groups is None else self._groups[index]

    def label_class(self, index: int) -> str | None:
        return None if self._classes is None else self._classes[index]

    def picture(self, index: int) -> EmbeddedPicture:
        column = list(self.inputs.values())[-1]
        return EmbeddedPicture(
            f"row {index} of table {self.title}",
            lambda: file_content(self._rows[index].column(column)[0].as_py()),
        )

    def _name(self, index: int) -> str:
        return f"{self.title}-{index:06d}" if self._names is None else self._names[index]

    def _texts(self, column: str | None) -> Sequence[str] | None:
        """A column of names."""
        if column is None:
            return None
        found = values(self.table, column)
        wrong = next(
            (i for i, value in enumerate(found) if not isinstance(value, str | int) or value == ""), None
        )
        if wrong is not None:
            raise CnnlibError(
                f"{self.title}, row {wrong}: column {column!r} must hold a text or an integer; it holds "
                f"{found[wrong]!r}"
            )
        return [str(value) for value in found]

    def _row(self, index: int, place: str) -> dict[str, Any]:
        try:
            (row,) = self._rows[index].to_pylist()
            decoded = {
                column: self._decoded(row[column], f"column {column!r}", feature.mode)
                for column, feature in self._pictures.items()
                if row[column] is not None
            }
            return row | decoded
        except ImageFileError as error:
            raise CnnlibError(f"{place}: cannot be read ({error.detail})") from None
        except Exception as error:  # whatever Arrow raises on a damaged file, and a place on the network
            raise CnnlibError(f"{place}: cannot be read ({type(error).__name__}: {error})") from None

    def _decoded(self, cell: Mapping[str, Any], where: str, mode: str | None) -> Stored:
        """In the mode that the column asks for, if it does and levels are not wider: Pillow would clip them."""
        stored = decode_stored(file_content(cell), where, self.max_pixels)
        if mode is None or mode.startswith("I") or stored.image.mode.startswith(("I", "F")):
            return stored
        return stored._replace(image=stored.image.convert(mode))

    @staticmethod
    def _picture(value: Any, place: str) -> Image.Image:
        if not isinstance(value, Stored):
            what = "nothing" if value is None else f"a {type(value).__name__}"
            raise CnnlibError(f"{place}: expected a picture (a column of type Image); it holds {what}")
        return to_color(value, place)

    @cached_property
    def _one_size(self) -> Size:
        column = list(self.inputs.values())[-1]
        first = self._picture(self._row(0, f"{self.title}, row 0")[column], f"{self.title}, row 0")
        return first.height, first.width
