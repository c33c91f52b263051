"""Settings that all tests share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.dvc_project import STAGES, Project, create, stages_run
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
    """The longest files first, one for each process."""
    items.sort(key=lambda item: not item.path.name.startswith("test_pipeline"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository in which the pipeline has run and its results are committed. Tests only read it."""
    project = create(tmp_path_factory.mktemp("pipeline") / "finished")
    assert stages_run(project.dvc("repro")) == STAGES
    project.commit("Results")
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Iterator[Project]:
    """A copy of the finished repository, to change at will."""
    root = tmp_path / "project"
    shutil.copytree(finished.root, root, symlinks=True)
    yield Project(root)
    shutil.rmtree(root)
