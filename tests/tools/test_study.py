"""The study with real DVC and Git, on the smallest sample."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from lib.common.outputs import exclusive_lock
from lib.study.study_plan import row_names
from tests.dvc_project import Project, create

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("study") / "project"
    project = create(root)
    shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (root / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "results.md", root / "docs")
    project.commit("Tools")
    return project


def study(project: Project, *arguments: str):
    return project.run(sys.executable, "-m", "tools.study", *arguments)


def test_what_is_not_committed_is_not_run(project):
    params = project.root / "params.yaml"
    before = params.read_text()
    params.write_text(before + "# changed\n")
    result = study(project, "default", "--runs", "1")
    params.write_text(before)
    assert result.returncode == 1
    assert "params.yaml: has uncommitted changes" in result.stderr and "Traceback" not in result.stderr


def test_a_study_goes_on_where_it_stopped_and_leaves_the_working_tree_alone(project):
    what = "default", "--only", "concat", "lidar", "--runs", "1", "-S", "train.weight_decay=0.02"
    one = study(project, *what)
    assert one.returncode == 0, one.stderr
    rest = study(project, *what)
    assert rest.returncode == 0, rest.stderr
    assert "1 of 6 runs are finished" in rest.stdout and "Running stage 'simulate'" not in rest.stdout
    rows = json.loads((project.root / "docs" / "results.json").read_text())
    assert [row["name"] for row in rows] == [*row_names("concat"), "lidar"]
    assert [row["changes"].get("predict.blackout") for row in rows[:3]] == [None, "image", "lidar"]
    assert len({row["metrics"]["point"]["auroc"] for row in rows[:3]}) == 3
    assert rows[0]["changes"]["train.weight_decay"] == "0.02" and rows[0]["seed"] == 1
    assert rows[0]["revision"] == project.ok("git", "rev-parse", "HEAD").strip()
    assert list((project.root / ".study" / "kept" / "default" / "concat" / "seed-1").glob("*.h5"))
    page = (project.root / "docs" / "results.md").read_text()
    assert "| concat | 1 | 0." in page and "Not run: " in page
    changed = project.ok("git", "status", "--porcelain").split()
    assert changed == ["M", "docs/results.md", "??", "docs/comparisons.json", "??", "docs/results.json"]
    assert not (project.root / "data").exists() and "simulate" in project.dvc("status")


def test_two_studies_do_not_fraction_a_clone(project):
    before = (project.root / "docs" / "results.json").read_bytes()
    with exclusive_lock(project.root / ".study"):
        other = study(project, "default", "--only", "image", "--runs", "1")
    assert other.returncode == 1 and ".study: another run is writing it" in other.stderr
    assert (project.root / "docs" / "results.json").read_bytes() == before


def test_variants_of_one_seed_are_compared(project):
    """Those of the runs above."""
    (comparison,) = json.loads((project.root / "docs" / "comparisons.json").read_text())
    assert (comparison["first"], comparison["second"], comparison["seed"]) == ("lidar", "concat", 1)
    assert {d["level"] for d in comparison["differences"]} == {"frame", "point"}
    assert "| concat minus lidar | 1 | " in (project.root / "docs" / "results.md").read_text()


def test_a_run_that_fails_is_named_and_no_row_is_left(project):
    before = (project.root / "docs" / "results.json").read_bytes()
    result = study(project, "default", "--only", "image", "--runs", "1", "-S", "train.epochs=none")
    assert result.returncode == 1 and "failed; see its output above" in result.stderr
    assert (project.root / "docs" / "results.json").read_bytes() == before
