from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run: what fails fails again, and for everybody. New ones: --hypothesis-profile=default.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

CONTRACTS = ("task_contract", "dataset_contract", "model_contract", "loss_contract")
pytest.register_assert_rewrite(*(f"tests.{name}" for name in CONTRACTS))  # so that failures show their values


@pytest.fixture(scope="session", autouse=True)
def scene_cache(tmp_path_factory: pytest.TempPathFactory):
    """Scenes that tests render are rendered once a session, and not into anybody's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNLIB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parent.parent
