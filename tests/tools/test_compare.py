import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lib.common.errors import DataError
from lib.shards.predictions import write_predictions
from lib.study.revisions import link_output, resolve
from tests.processes import python_path
from tests.scored_sample import made_up_scores, write_sample

ROOT = Path(__file__).parents[2]
MAKE = "import shutil; [shutil.copytree(f'made/{n}', f'data/{n}') for n in ('shards', 'predictions')]"


def environment(root):
    who = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))}
    site = {"DVC_SITE_CACHE_DIR": str(root.parent / "site"), "DVC_NO_ANALYTICS": "1"}
    return {**kept, **who, **site, "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": python_path(ROOT)}


def run(root, *command, fails=False):
    result = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=False)
    assert (result.returncode != 0) == fails, result.stdout + result.stderr
    return result.stderr if fails else result.stdout


def compare(root, *arguments, fails=False):
    return run(root, sys.executable, "-m", "tools.compare", *arguments, fails=fails)


def rewrite(root, skill):
    for path in (root / "made/predictions").glob("*.h5"):
        write_predictions(path, made_up_scores(root / "made/shards" / path.name, skill))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A real repository: predictions of skill 1 committed, of skill 2 in an experiment; copied as its stage."""
    root = tmp_path_factory.mktemp("compare") / "project"
    write_sample(root, anomaly_scenarios=4, normality_scenarios=9, skill=1.0)
    (root / "data").rename(root / "made")
    shutil.copy(ROOT / "params.yaml", root)
    (root / ".gitignore").write_text("/data\n/made\n")
    (root / "dvc.yaml").write_text(
        "stages:\n  make:\n"
        f'    cmd: {sys.executable} -c "{MAKE}"\n'
        "    deps: [made]\n    outs: [data/shards, data/predictions]\n"
    )
    run(root, "git", "init", "-q", "-b", "main")
    dvc = (sys.executable, "-m", "dvc")
    run(root, *dvc, "init", "-q")
    run(root, *dvc, "repro", "-q")
    run(root, "git", "add", "-A")
    run(root, "git", "commit", "-q", "-m", "skill 1")
    rewrite(root, 2.0)
    run(root, *dvc, "exp", "run", "-q", "-n", "skilful")
    return root


@pytest.mark.slow
def test_an_experiment_against_the_commit_that_it_came_from(project):
    rows = json.loads(compare(project, "HEAD", "skilful", "--json"))
    found = {(row["level"], row["group"], row["number"]): row for row in rows}
    point = found["point", "", "auroc"]
    assert point["first"] == pytest.approx(0.76, abs=0.05) and point["second"] == pytest.approx(0.92, abs=0.05)
    assert point["low"] > 0 and point["above"] == 1.0
    assert rows == json.loads(compare(project, "HEAD", "workspace", "--json"))  # the workspace holds the experiment
    table = compare(project, "main", "data/predictions")
    assert "point_all" in table and f"{point['difference']:+.4f}" in table
    status = run(project, "git", "status", "--porcelain", "--untracked-files=all")
    assert [line for line in status.splitlines() if not line.endswith("dvc.lock")] == []


@pytest.mark.slow
def test_what_cannot_be_compared_is_said_in_a_sentence(project, tmp_path):
    for name, message in (
        ("nothing", "error: nothing: neither a folder, nor a DVC experiment, nor a Git revision"),
        ("made/shards", "not a prediction file of this pipeline"),
        (".git", "holds no predictions"),
    ):
        error = compare(project, "HEAD", name, fails=True)
        assert error.count("\n") == 1 and message in error, error
    with pytest.raises(DataError, match="skilful: its data/shards is not in DVC's cache"):
        link_output(project, tmp_path, "skilful", "data/shards", tmp_path / "shards")
    with pytest.raises(DataError, match=r"its dvc.lock holds no data/nothing"):
        link_output(project, project / ".dvc/cache", "skilful", "data/nothing", tmp_path / "nothing")
    assert resolve(project, "skilful") != resolve(project, "HEAD")


@pytest.mark.slow
def test_results_committed_on_another_machine(project, tmp_path):
    """A fresh clone has the commit without its cache; once the pipeline has run, its results are the workspace's."""
    clone = tmp_path / "clone"
    run(project, "git", "clone", "-q", str(project), str(clone))
    shutil.copytree(project / "made", clone / "made")
    rewrite(clone, 0.5)
    run(clone, sys.executable, "-m", "dvc", "repro", "-q", "-f")
    error = compare(clone, "HEAD", "workspace", fails=True)
    assert (
        error.count("\n") == 1
        and "HEAD: its data/predictions is not in DVC's cache" in error
        and "`workspace`" in error
    )
    run(clone, "git", "commit", "-q", "-am", "Results on this machine")
    rows = json.loads(compare(clone, "HEAD", "workspace", "--json"))
    assert rows and all(row["difference"] == 0 for row in rows)
