from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Gt, Le
from pydantic import ValidationError

from cnnlib.config.errors import problems_of
from cnnlib.config.options import Options, argument_notes, options_of
from cnnlib.config.tables import Tables
from cnnlib.types import CnnlibError


class Typed:
    def __init__(
        self,
        count: int = 1,
        rate: float = 0.5,
        flag: bool = False,
        word: str = "a",
        mode: Literal["near", "bilinear"] = "near",
        path: Path = Path("here"),
        maybe: float | None = None,
        either: float | Literal["balanced"] = 1.0,
        sizes: Sequence[int] = (1, 2),
        pair: tuple[float, float] = (0.0, 1.0),
        table: Mapping[str, int] | None = None,
        share: Annotated[float, Gt(0), Le(1)] = 1.0,
    ) -> None: ...


def problems_in(options: Options, given: dict[str, Any], **own: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        options.read(given, **own)
    return {problem.path: problem.text for problem in problems_of(caught.value, given, ".".join)}


ACCEPTED = [
    ("count", 3, 3),
    ("rate", 3, 3.0),
    ("flag", True, True),
    ("word", "3", "3"),
    ("mode", "bilinear", "bilinear"),
    ("path", "a/b", Path("a/b")),
    ("maybe", None, None),
    ("maybe", 2, 2.0),
    ("either", "balanced", "balanced"),
    ("sizes", [3], [3]),
    ("pair", [1, 2], (1.0, 2.0)),
    ("table", {"a": 1}, {"a": 1}),
    ("share", 1, 1.0),
]
REFUSED = [
    ("count", "3", 'must be an integer; it is "3"'),
    ("count", 3.0, "must be an integer; it is 3.0"),
    ("count", True, "must be an integer; it is true"),
    ("rate", "0.1", 'must be a number; it is "0.1"'),
    ("rate", True, "must be a number; it is true"),
    ("rate", float("nan"), "must be a finite number"),
    ("rate", None, "must be a number; it is null"),
    ("flag", 1, "must be true or false; it is 1"),
    ("word", 3, "must be text; it is 3"),
    ("mode", "bilinar", "must be 'near' or 'bilinear'; it is \"bilinar\" (did you mean 'bilinear'?)"),
    ("path", 3, "must be text; it is 3"),
    ("either", "balance", "must be a number or 'balanced'; it is \"balance\" (did you mean 'balanced'?)"),
    ("sizes", 3, "must be a list; it is 3"),
    ("sizes", "12", 'must be a list; it is "12"'),
    ("pair", [1, 2, 3], "must be a list of at most 2; it is [1, 2, 3]"),
    ("share", 0, "must be above 0; it is 0"),
    ("share", 1.5, "must be at most 1; it is 1.5"),
]


@pytest.mark.parametrize(("name", "given", "taken"), ACCEPTED)
def test_values_of_the_annotated_type_are_taken(name: str, given: Any, taken: Any) -> None:
    options = options_of(Typed).read({name: given})
    assert options[name] == taken
    assert type(options[name]) is type(taken)


@pytest.mark.parametrize(("name", "given", "text"), REFUSED)
def test_values_of_another_type_are_refused(name: str, given: Any, text: str) -> None:
    ((path, reported),) = problems_in(options_of(Typed), {name: given}).items()
    assert path == name
    assert text in reported


def test_a_problem_inside_a_list_names_its_index() -> None:
    assert problems_in(options_of(Typed), {"sizes": [1, "2", 3], "pair": [1]}) == {
        "sizes.1": 'must be an integer; it is "2"',
        "pair.1": "is required, and missing",
    }


def test_options_are_complete_and_in_the_signatures_order() -> None:
    options = options_of(Typed).read({"share": 0.5, "count": 2})
    assert list(options) == list(Typed.__init__.__annotations__)[:-1]
    assert options["count"] == 2
    assert options["sizes"] == [1, 2]  # as YAML would have given it, so that a saved file reads back equal


def test_all_problems_are_reported_at_once() -> None:
    problems = problems_in(options_of(Typed), {"cuont": 2, "rate": "x", "flag": 0}, own=["weight"])
    assert problems.keys() == {"cuont", "rate", "flag"}
    assert problems["cuont"].startswith(
        "there is no such option (did you mean 'count'?); allowed: count, rate,"
    )
    assert problems["cuont"].endswith("share, weight")


def test_a_required_option_that_is_missing_is_named(tables: Tables) -> None:
    options = options_of(tables["optimizer"]["sgd"], ("parameters",))
    assert problems_in(options, {}) == {"learning_rate": "is required, and missing"}


def test_arguments_of_the_program_are_no_options(tables: Tables) -> None:
    net = options_of(tables["model"]["net"], ("in_channels", "heads"))
    names = ("widths", "copy", "norm", "scale", "vectors")
    assert net.names == names  # nor is `activation` an option: no YAML can say it
    assert problems_in(net, {"in_channels": 3}) == {
        "in_channels": f"there is no such option; allowed: {', '.join(names)}"
    }


def test_a_component_without_options_says_so(tables: Tables) -> None:
    mask = options_of(tables["task"]["mask"], ("info",))
    assert problems_in(mask, {"size": 3}) == {"size": "there is no such option; none is allowed here"}


def test_dataclasses_are_components_too() -> None:
    @dataclass
    class Part:
        size: int
        rate: float = 1.0

    assert options_of(Part).read({"size": 3}) == {"size": 3, "rate": 1.0}


def test_signatures_that_cannot_serve_are_refused() -> None:
    def clashing(name: str = "x") -> None: ...
    def weighted(weight: float = 1.0) -> None: ...
    def unresolved(size: Nowhere = 1) -> None: ...  # noqa: F821

    with pytest.raises(CnnlibError, match="argument 'name'"):
        options_of(clashing)
    with pytest.raises(CnnlibError, match="argument 'weight'"):
        options_of(weighted, own=("weight",))
    assert options_of(weighted).names == ("weight",)
    with pytest.raises(CnnlibError, match="Nowhere"):
        options_of(unresolved)


def test_notes_come_from_the_docstring(tables: Tables) -> None:
    assert argument_notes(tables["model"]["net"]) == {
        "widths": "channels of the levels, from fine to coarse.",
        "copy": "two more.",
        "norm": "two more.",
    }
    assert argument_notes(tables["loss"]["dice"]) == {}


def test_ranges_and_choices_are_read_from_the_signature() -> None:
    schema = options_of(Typed).adapter.json_schema()["properties"]
    assert (schema["share"]["exclusiveMinimum"], schema["share"]["maximum"]) == (0, 1)
    assert schema["mode"]["enum"] == ["near", "bilinear"]
