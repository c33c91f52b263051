"""Experiments in temporary folders, really killed: the next one of the same params goes on."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from lib.common.paths import WEIGHTS
from tests.dvc_project import Project, stages_run

pytestmark = pytest.mark.slow

TIMEOUT_S = 600
EPOCHS = 8
CHANGES = ("-S", f"train.epochs={EPOCHS}", "-S", "execution.checkpoint_seconds=0")


def start(project: Project, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.Popen(
        command,
        cwd=project.root,
        env=project.environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_checkpoint(store, running=None):
    limit = time.monotonic() + TIMEOUT_S
    while not list((store / "train").glob("*/checkpoint.pt")):
        assert time.monotonic() < limit, "no checkpoint"
        assert running is None or running.poll() is None, running.communicate()[0]
        time.sleep(0.02)


def training_of(project: Project) -> dict[str, str]:
    """The outs of the train stage."""
    files = ("metrics/train.json", "plots/training.csv")
    outs = {name: (project.root / name).read_text() for name in files}
    return outs | {"weights": hashlib.sha256((project.root / WEIGHTS).read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def uninterrupted(finished, tmp_path_factory):
    """The training in one go, in a clone without a cache."""
    clone = Project(tmp_path_factory.mktemp("whole") / "clone")
    finished.ok("git", "clone", "-q", str(finished.root), str(clone.root))
    (clone.root / "data").symlink_to(finished.root / "data")
    clone.set(train__epochs=EPOCHS)
    clone.ok(sys.executable, "-m", "stages.train")
    return training_of(clone)


def apply(project: Project, experiment: str) -> dict[str, str]:
    """Bring an experiment's results into the workspace."""
    project.dvc("exp", "apply", experiment)
    return training_of(project)


def test_a_temporary_experiment_that_was_killed(project, uninterrupted):
    """The store is that of the repository, which the folders of experiments lie in."""
    experiment = ("exp", "run", "--temp", *CHANGES, "--name", "one", "train")
    running = start(project, *experiment)
    wait_for_checkpoint(project.root / ".scratch", running)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    assert "going on after step" in project.dvc(*experiment)
    assert apply(project, "one") == uninterrupted
    assert not list((project.root / ".scratch").rglob("train/*"))


def test_a_lock_that_dvc_left_half_written_comes_back_from_git(project):
    """What docs/dvc.md tells to do after a kill of DVC as it wrote dvc.lock."""
    project.set(plot__dpi=60)
    project.dvc("repro")
    lock = project.root / "dvc.lock"
    content, outs = lock.read_bytes(), project.digest("plots")
    lock.write_bytes(content[: content.rindex(b"md5:", 0, len(content) // 2) + 2])
    assert project.run(sys.executable, "-m", "dvc", "repro").returncode, "DVC cannot read it"
    project.ok("git", "checkout", "-q", "--", "dvc.lock")
    assert stages_run(project.dvc("repro")) == [], "the run cache has it"
    assert (lock.read_bytes(), project.digest("plots")) == (content, outs)
