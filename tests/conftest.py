"""Settings that all tests share."""

import fcntl
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.dvc_project import STAGES, Project, copied, create, stages_run
from tests.no_network import sitecustomize
from tests.processes import python_path

# Two test processes share two cores: one thread each is fastest, and where code asks for more (torch.set_num_threads),
# threads that wait must sleep, not spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

# No test and no process that a test starts, DVC's and the stages' included, may reach another machine.
assert callable(sitecustomize.refuse)
os.environ["PYTHONPATH"] = python_path(*map(Path, filter(None, [os.environ.get("PYTHONPATH")])))

settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests first: a long one that began last would leave the other process without work."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """A repository in which the pipeline has run and its results are committed. Tests only read it.

    It runs in the first test process to ask; the others copy what came out.
    """
    root = tmp_path_factory.mktemp("pipeline") / "finished"
    if worker_id == "master":
        return run_pipeline(root)
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shared.exists():
            return copied(shared, root)
        project = run_pipeline(root)
        copied(root, shared)
        return project


def run_pipeline(root: Path) -> Project:
    project = create(root)
    assert stages_run(project.dvc("repro")) == STAGES
    project.commit("Results")
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of the finished repository, to change at will."""
    root = tmp_path / "project"
    project = copied(finished.root, root)
    yield project
    project.end(signal.SIGKILL)
    shutil.rmtree(root)
