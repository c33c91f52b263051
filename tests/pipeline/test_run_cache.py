"""DVC's run cache, and a clone that holds no data: with real DVC."""

import json
import re
import sys

import pytest

from tests.dvc_project import STAGES, Project, stages_run

pytestmark = pytest.mark.slow


def test_earlier_params_compute_nothing_and_a_fresh_clone_compares_without_a_pull(project, tmp_path):
    """A changed sample runs every stage anew; on the way back, every stage comes from the run cache."""
    folders = ("data", "models", "metrics", "plots")
    before, params = project.digest(*folders), (project.root / "params.yaml").read_bytes()
    project.set(simulate__seed=2)
    assert stages_run(project.dvc("repro")) == STAGES
    project.commit("Another sample")
    (project.root / "params.yaml").write_bytes(params)
    output = project.dvc("repro")
    assert stages_run(output) == []
    assert re.findall(r"Stage '(\w+)' is cached - skipping run", output) == STAGES
    assert project.digest(*folders) == before
    project.ok("git", "diff", "--quiet", "HEAD~1")

    clone = Project(tmp_path / "clone")
    project.ok("git", "clone", "-q", str(project.root), str(clone.root))
    assert not (clone.root / "data").exists()
    metrics = json.loads(clone.dvc("metrics", "diff", "--json", "HEAD~1", "HEAD"))
    assert "frame.auroc" in metrics["metrics/summary.json"]
    plots = json.loads(clone.dvc("plots", "diff", "--json", "HEAD~1", "HEAD"))
    assert plots.get("errors", []) == []
    tables = {path.relative_to(clone.root).as_posix() for path in clone.root.glob("plots/*.csv")}
    drawn = {name: views for name, views in plots["data"].items() if name in tables}
    assert all(view["revisions"] == ["HEAD~1", "HEAD"] for views in drawn.values() for view in views)
    assert "plots/training.csv" in drawn
    for compare in ("metrics", "plots"):
        assert clone.run(sys.executable, "-m", "dvc", compare, "diff").returncode == 0
