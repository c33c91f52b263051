"""Settings that all tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.no_network import sitecustomize

# Two test processes share two cores: one thread each is fastest, and where code asks for more (torch.set_num_threads),
# threads that wait must sleep, not spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

# No test and no process that a test starts, DVC's and the stages' included, may reach another machine.
assert sitecustomize.refuse
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).parent / "no_network"), *filter(None, [os.environ.get("PYTHONPATH")])]
)

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first, so that the other process does all the rest meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")
