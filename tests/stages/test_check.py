"""With real DVC: a mistyped value is refused before anything is removed, and nothing else runs for the stage check."""

import os
import subprocess
import sys

import pytest

from lib.common.paths import PARAMS_CHECKED
from stages.check import WORDS
from tests.dvc_project import copied, stages_run

pytestmark = pytest.mark.slow

RESULTS = ("data/sample", "data/shards", "data/predictions", "models", "metrics", "plots")
DVC = (sys.executable, "-m", "dvc")
MISTYPED = {
    "simulate.seed": ("-1", "simulate.seed: got -1"),
    "split.test_fraction": ("0.9", "split.validation_fraction=0.25 and split.test_fraction=0.9"),
    "model.fusion": ("sum", "model.fusion: got 'sum'"),
    "plot.dpi": ("null", "plot.dpi: got None"),
    "data.root": ("data/nowhere", "data.root: got 'data/nowhere', and there is no such folder"),
    "execution.workers": ("-1", None),
}


@pytest.fixture(scope="module")
def shared(finished, tmp_path_factory):
    """A finished repository that all tests here share: what they do costs no results."""
    return copied(finished.root, tmp_path_factory.mktemp("check") / "project")


@pytest.fixture
def project(shared):
    params = shared.root / "params.yaml"
    written, before = params.read_bytes(), shared.digest(*RESULTS)
    yield shared
    assert shared.digest(*RESULTS) == before
    assert (shared.root / "data" / "validation.h5").is_file()
    params.write_bytes(written)


def mistype(project, key, value):
    section, name = key.split(".")
    lines = (project.root / "params.yaml").read_text().splitlines()
    start = lines.index(f"{section}:")
    place = next(number for number in range(start, len(lines)) if lines[number].startswith(f"  {name}:"))
    lines[place] = f"  {name}: {value}"
    (project.root / "params.yaml").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("key", MISTYPED)
def test_a_mistyped_value_costs_nothing(project, key):
    value, sentence = MISTYPED[key]
    mistype(project, key, value)
    done = project.run(*DVC, "repro")
    if sentence is None:  # of execution, which no stage tracks: with nothing to do, nothing reads it
        mistype(project, "plot.dpi", "90")
        done, sentence = project.run(*DVC, "repro"), "execution.workers: got -1"
    assert done.returncode and f"error: params.yaml: {sentence}" in done.stderr
    assert stages_run(done.stdout) == ["check"]


@pytest.mark.parametrize("target", ["evaluate", "plot"])
def test_so_it_is_for_a_single_stage(project, target):
    mistype(project, "train.epochs", "1:30")
    done = project.run(*DVC, "repro", target)
    assert done.returncode and "train.epochs: got '1:30'" in done.stderr


@pytest.mark.parametrize("how", [[], ["--temp"]])
def test_so_it_is_for_experiments(project, how):
    done = project.run(*DVC, "exp", "run", *how, "-S", "train.epochs=abc")
    assert done.returncode and "error: params.yaml: train.epochs: got 'abc'" in done.stderr


def test_after_the_mistake_is_mended_nothing_runs(project):
    own = (project.root / "params.yaml").read_text()
    mistype(project, "train.epochs", "abc")
    project.run(*DVC, "repro")
    (project.root / "params.yaml").write_text(own)
    assert stages_run(project.dvc("repro")) == []
    assert (project.root / PARAMS_CHECKED).read_text() == WORDS


def test_other_params_do_not_make_a_stage_run_again(shared):
    shared.set(plot__gallery_frames=2)
    assert stages_run(shared.dvc("repro")) == ["check", "plot"]
    assert "up to date" in shared.dvc("repro")


@pytest.mark.parametrize("root", ["data/sample/nope", "data/sample/../../nope", "data/nope"])
def test_a_root_that_no_stage_makes_must_be_there(shared, root):
    script = [sys.executable, "-m", "stages.check"]
    params = (shared.root / "params.yaml").read_text()
    (shared.root / "params.yaml").write_text(params.replace("root: data/sample", f"root: {root}"))
    ended = subprocess.run(script, cwd=shared.root, capture_output=True, text=True, check=False)
    (shared.root / "params.yaml").write_text(params)
    assert ended.returncode == 1 and "there is no such folder" in ended.stderr


def test_a_root_that_dvc_keeps_may_be_missing_still(tmp_path, shared):
    """In a clone before `dvc pull`; the stage that reads it waits for it."""
    script = [sys.executable, "-m", "stages.check"]
    for name in ("params.yaml", "stages", "lib"):
        (tmp_path / name).symlink_to(shared.root / name)
    text = (shared.root / "params.yaml").read_text().replace("root: data/sample", "root: data/ours/part")
    (tmp_path / "params.yaml").unlink()
    (tmp_path / "params.yaml").write_text(text)
    assert subprocess.run(script, cwd=tmp_path, env=os.environ, check=False).returncode == 1
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "ours.dvc").touch()
    assert subprocess.run(script, cwd=tmp_path, env=os.environ, check=False).returncode == 0
