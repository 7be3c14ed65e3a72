"""Every weighting in the table keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlib.weighting import WEIGHTINGS
from tests.weighting.oracles import ORACLES
from tests.weighting_contract import WEIGHTING_CONTRACT, Promise


@pytest.mark.parametrize("promise", WEIGHTING_CONTRACT, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_contract(promise: Promise, name: str, tmp_path: Path) -> None:
    promise(name, tmp_path)


def test_every_weighting_has_an_oracle() -> None:
    lacking, unknown = WEIGHTINGS.keys() - ORACLES.keys(), ORACLES.keys() - WEIGHTINGS.keys()
    assert not lacking, (
        f"add an implementation that is not ours to ORACLES in tests/weighting/oracles.py: {lacking}"
    )
    assert not unknown, f"ORACLES names what is not in WEIGHTINGS: {unknown}"
