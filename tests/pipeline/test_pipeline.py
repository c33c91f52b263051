"""The pipeline as its users meet it: real DVC in temporary repositories, with tiny parameters."""

import json
import re
import shutil
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.dvc_project import STAGES, Project, stages_run
from tools.smoke import set_params

pytestmark = pytest.mark.slow

QUEUE_TIMEOUT_S = 600
ROOT = Path(__file__).resolve().parents[2]


def test_repro_leaves_nothing_behind_but_its_results(finished):
    assert finished.ok("git", "status", "--porcelain") == ""
    assert finished.run(sys.executable, "-m", "dvc", "status", "-q").returncode == 0
    for results in ("data/shards/*.h5", "data/predictions/*.h5", "plots/labels/*.png", "plots/detections/*.png"):
        assert list(finished.root.glob(results)), results


def test_second_repro_runs_nothing(finished):
    output = finished.dvc("repro")
    assert "up to date" in output
    assert stages_run(output) == []


def test_execution_params_rerun_nothing(project):
    project.set(execution__workers=3)
    assert stages_run(project.dvc("repro")) == []


def test_plot_param_reruns_plot_only(project):
    project.set(plot__dpi=60)
    assert stages_run(project.dvc("repro")) == ["check", "plot"]


def test_another_score_needs_no_other_training(project):
    project.set(predict__score="energy", predict__frame_score="cluster")
    assert stages_run(project.dvc("repro")) == ["check", "predict", "evaluate", "export", "plot"]


def test_experiment_reruns_train_and_what_follows_and_shows_in_diffs_and_the_table(project):
    output = project.dvc("exp", "run", "-S", "train.epochs=2", "-S", "predict.blackout=image")
    assert stages_run(output) == ["check", "train", "predict", "evaluate", "export", "plot"]
    assert yaml.safe_load((project.root / "params.yaml").read_text())["train"]["epochs"] == 2

    table = project.dvc("metrics", "diff", "--all", "--md")
    for metric in ("frame.auroc", "point.auroc"):
        assert re.search(rf"\| metrics/summary\.json +\| {re.escape(metric)} +\| [01]\.\d+", table), table

    differences = json.loads(project.dvc("plots", "diff", "--json"))
    assert differences.get("errors", []) == []
    assert plotted(differences) == plotted(json.loads(project.dvc("plots", "show", "--json")))

    columns = re.search(r"dvc exp show --only-changed --drop '(\S+)'", (ROOT / "README.md").read_text())
    assert columns, "README shows the command"
    result = project.run(sys.executable, "-m", "dvc", "exp", "show", "--only-changed", "--drop", columns[1])
    assert result.returncode == 0 and "failed to load" not in result.stderr
    for column in ("point.auroc", "predict.blackout", "train.epochs"):
        assert column in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 140, result.stdout


def test_metrics_show_the_summary_and_the_agreements_and_dvc_reads_all_of_it(finished):
    result = finished.run(sys.executable, "-m", "dvc", "metrics", "show", "--json")
    assert result.returncode == 0 and "failed to load" not in result.stderr
    shown = json.loads(result.stdout)[""]["data"]
    assert sorted(shown) == ["metrics/labels.json", "metrics/summary.json"]
    for name, metrics in shown.items():
        assert metrics["data"] == json.loads((finished.root / name).read_text())


def test_plots_show_draws_every_table_once_without_errors(finished):
    result = finished.run(sys.executable, "-m", "dvc", "plots", "show", "--json")
    assert result.returncode == 0 and "failed to load" not in result.stderr
    shown = json.loads(result.stdout)
    assert shown.get("errors", []) == []
    for file in ("metrics/data.json", "metrics/train.json", "metrics/evaluate.json"):
        assert shown["data"][file] == [], "listed as a plot to stay in Git; nothing is drawn of it"
    pictures = {name for name in plotted(shown) if name.endswith(".png")}
    assert {Path(name).parent.as_posix() for name in pictures} == {"plots/labels", "plots/figures", "plots/detections"}
    tables = {path.relative_to(finished.root).as_posix() for path in finished.root.glob("plots/*.csv")}
    assert {name for name in plotted(shown) - pictures if name.endswith(".csv")} == tables
    assert {len(shown["data"][name]) for name in pictures} == {1}
    for name in tables:
        empty = len((finished.root / name).read_text().splitlines()) == 1
        assert len(shown["data"][name]) == (0 if empty else 1), name
        for view in shown["data"][name]:
            text = view["content"] if isinstance(view["content"], str) else json.dumps(view["content"])
            assert "<DVC_METRIC" not in text, f"{name}: a template field is not filled in"
            # DVC hands a table's numbers over as text, of which 1e-06 comes after 1.0.
            assert '"order":' not in text, f"{name}: a line is drawn in the order of its text"


FOLDED = {"training": "training.csv", "agreements": "scenarios.csv", "distances": "first_detections.csv"}


@pytest.mark.parametrize(("template", "table"), FOLDED.items())
def test_columns_that_a_template_folds_are_in_the_table(finished, template, table):
    """DVC does not know of them, so it would not miss one."""
    text = (finished.root / ".dvc" / "plots" / f"{template}.json").read_text()
    lists = [json.loads(found) for found in re.findall(r'"fold": (\[.*?\])', text, re.DOTALL)]
    columns = (finished.root / "plots" / table).read_text().splitlines()[0].split(",")
    assert lists and {column for found in lists for column in found} <= {*columns, "<DVC_METRIC_Y>"}


def plotted(report: dict) -> set[str]:
    return set(report["data"])


def test_queued_experiments_leave_the_workspace_alone(project):
    before = project.digest("models", "metrics", "plots")
    project.dvc("exp", "run", "--queue", "--name", "sweep", "-S", "evaluate.min_anomaly_points=1,20")
    project.start_queue()
    deadline = time.monotonic() + QUEUE_TIMEOUT_S
    while not re.search(r"No experiment tasks|Failed|(?s:Success.*Success)", status := project.queue_status()):
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert len(re.findall("Success", status)) == 2, status + project.dvc("queue", "logs", "sweep-1")
    change = json.loads(project.dvc("metrics", "diff", "--json", "sweep-1", "sweep-2"))
    assert "frame.auroc" in change["metrics/summary.json"]
    difference = json.loads(project.dvc("params", "diff", "--json", "main", "sweep-2"))
    assert difference["params.yaml"]["evaluate.min_anomaly_points"]["new"] == 20
    assert project.digest("models", "metrics", "plots") == before and project.ok("git", "status", "--porcelain") == ""


def test_two_repositories_agree_to_the_byte(finished, tmp_path):
    """A clone has no cached results; here every stage runs anew, with two workers instead of one."""
    other = Project(tmp_path / "other")
    finished.ok("git", "clone", "-q", str(finished.root), str(other.root))
    other.set(execution__workers=2)
    assert stages_run(other.dvc("repro", "--force")) == STAGES
    folders = ("data/sample", "data/shards", "models", "data/predictions", "metrics", "plots")
    expected, actual = finished.digest(*folders), other.digest(*folders)
    assert actual.keys() == expected.keys()
    assert [name for name in expected if actual[name] != expected[name]] == []
    assert (other.root / "dvc.lock").read_bytes() == (finished.root / "dvc.lock").read_bytes()


def test_data_outside_the_repository_behind_a_tracked_link(project, tmp_path):
    """The lock then names the link, not a path of this machine; temporary and queued runs find the data, too."""
    shutil.copytree(project.root / "data" / "sample", tmp_path / "disk")
    (project.root / "data" / "anovox").symlink_to(tmp_path / "disk")
    project.ok("git", "add", "data/anovox")
    project.ok("git", "commit", "-q", "-m", "Data")
    project.dvc("exp", "run", "--temp", "--name", "linked", "-S", "data.root=data/anovox", "preprocess")
    reference = project.ok("git", "for-each-ref", "--format=%(refname)", "refs/exps/*/*/linked").strip()
    stage = yaml.safe_load(project.ok("git", "show", f"{reference}:dvc.lock"))["stages"]["preprocess"]
    before = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]["preprocess"]
    assert "data/anovox" in {dep["path"] for dep in stage["deps"]}
    assert stage["outs"] == before["outs"]


@pytest.mark.parametrize(
    ("stage", "key", "value", "words"),
    [
        ("check", "train.epochs", "abc", ["train.epochs", "'abc'", "integer"]),
        ("train", "train.epochs", "abc", ["train.epochs", "'abc'", "integer"]),
        ("train", "train.epoch", 3, ["train.epoch", "unknown key", "epochs"]),
        ("simulate", "simulate.image_height", -32, ["simulate.image_height", "-32", "greater than or equal to 16"]),
        ("check", "train.epoch", 3, ["train.epoch", "unknown key", "epochs"]),
    ],
)
def test_wrong_param_ends_a_stage_before_any_work(project, stage, key, value, words):
    """Each stage checks the sections that it reads, `check` all of them."""
    before = project.digest("data", "models", "metrics", "plots")
    set_params(project.root / "params.yaml", {key: value})
    result = project.run(sys.executable, "-m", f"stages.{stage}")
    assert result.returncode == 1
    sentence = one_sentence(result.stderr)
    assert all(word in sentence for word in ["params.yaml", *words]), sentence
    assert project.digest("data", "models", "metrics", "plots") == before


def test_wrong_param_of_an_experiment_is_named_through_dvc(project):
    result = project.run(sys.executable, "-m", "dvc", "exp", "run", "-S", "train.epochs=abc")
    assert result.returncode != 0
    assert "error: params.yaml: train.epochs: got 'abc'" in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_data_root(project):
    project.set(data__root="data/elsewhere")
    through_dvc = project.run(sys.executable, "-m", "dvc", "repro", "preprocess")
    assert through_dvc.returncode != 0
    assert "data/elsewhere" in through_dvc.stderr and "Traceback" not in through_dvc.stderr

    before = project.digest("data", "metrics", "plots")
    result = project.run(sys.executable, "-m", "stages.preprocess")
    assert result.returncode == 1
    assert "data/elsewhere" in one_sentence(result.stderr)
    assert project.digest("data", "metrics", "plots") == before


def one_sentence(stderr: str) -> str:
    """The error of a stage: a single line, and no traceback."""
    lines = stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), stderr
    return lines[0]
