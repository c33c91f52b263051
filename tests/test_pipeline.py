"""The pipeline as its users meet it: real DVC in temporary repositories, with tiny parameters."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tools.smoke import TINY, copy_project, set_params, stage_environment

pytestmark = pytest.mark.slow

STAGES = ["simulate", "preprocess", "train", "predict", "evaluate", "plot"]
SMALLEST = {
    **TINY,
    "simulate.image_height": 32,
    "simulate.image_width": 48,
    "simulate.lidar_channels": 8,
    "simulate.lidar_rays_per_channel": 64,
    "train.epochs": 1,
    "execution.device": "cpu",
}
QUEUE_TIMEOUT_S = 600


@dataclass(frozen=True)
class Project:
    """A repository of its own with the pipeline in it; nothing it does is seen outside its folder."""

    root: Path

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in stage_environment().items() if not key.startswith(("GIT_", "DVC_"))}
        who = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        site = self.root.parent / f"{self.root.name}-site"
        return {**inherited, **who, "GIT_CONFIG_GLOBAL": os.devnull, "DVC_SITE_CACHE_DIR": str(site)}

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.environment(), capture_output=True, text=True, check=False, timeout=600
        )

    def ok(self, *command: str) -> str:
        """Run a command that must succeed; its standard output."""
        result = self.run(*command)
        assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def dvc(self, *arguments: str) -> str:
        return self.ok(sys.executable, "-m", "dvc", *arguments)

    def commit(self, message: str) -> None:
        self.ok("git", "add", "-A")
        self.ok("git", "commit", "-q", "-m", message)

    def set(self, **changes: object) -> None:
        """Change params.yaml: train__epochs=2."""
        set_params(self.root / "params.yaml", {key.replace("__", "."): value for key, value in changes.items()})

    def digest(self, *folders: str) -> dict[str, str]:
        """SHA-256 of every file in some folders."""
        files = sorted(path for folder in folders for path in (self.root / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def create(root: Path) -> Project:
    """A repository with one commit: the pipeline as it stands in the working tree, with the smallest parameters."""
    root.mkdir()
    copy_project(root)
    set_params(root / "params.yaml", SMALLEST)
    project = Project(root)
    project.ok("git", "init", "-q", "-b", "main")
    project.commit("The pipeline")
    return project


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


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
    assert stages_run(project.dvc("repro")) == ["plot"]


def test_another_score_needs_no_other_training(project):
    project.set(model__score="energy", predict__frame_score="cluster")
    assert stages_run(project.dvc("repro")) == ["predict", "evaluate", "plot"]


def test_experiment_reruns_train_and_what_follows_and_shows_in_diffs(project):
    output = project.dvc("exp", "run", "-S", "train.epochs=2")
    assert stages_run(output) == ["train", "predict", "evaluate", "plot"]
    assert yaml.safe_load((project.root / "params.yaml").read_text())["train"]["epochs"] == 2

    table = project.dvc("metrics", "diff", "--all", "--md")
    for metric in ("frame.auroc", "point.auroc"):
        assert re.search(rf"\| metrics/evaluate\.json +\| {re.escape(metric)} +\| [01]\.\d+", table), table

    differences = json.loads(project.dvc("plots", "diff", "--json"))
    assert differences.get("errors", []) == []
    assert plotted(differences) == plotted(json.loads(project.dvc("plots", "show", "--json")))


def test_plots_show_draws_every_declared_plot_without_errors(finished):
    shown = json.loads(finished.dvc("plots", "show", "--json"))
    assert shown.get("errors", []) == []
    pictures = {name for name in plotted(shown) if name.endswith(".png")}
    declared = {name for entry in yaml.safe_load((finished.root / "dvc.yaml").read_text())["plots"] for name in entry}
    assert declared and declared <= plotted(shown) - pictures
    assert {Path(name).parent.as_posix() for name in pictures} == {"plots/labels", "plots/figures", "plots/detections"}
    for name in declared:
        for view in shown["data"][name]:
            content = json.loads(view["content"]) if isinstance(view["content"], str) else view["content"]
            assert "<DVC_METRIC" not in json.dumps(content), f"{name}: a template field is not filled in"


def plotted(report: dict) -> set[str]:
    return set(report["data"])


def test_experiment_in_a_temporary_folder(project):
    before = project.digest("models", "metrics", "plots")
    project.dvc("exp", "run", "--temp", "--name", "slow-learner", "-S", "train.learning_rate=1e-5")
    assert project.digest("models", "metrics", "plots") == before
    assert project.ok("git", "status", "--porcelain") == ""
    difference = json.loads(project.dvc("params", "diff", "--json", "main", "slow-learner"))
    assert difference["params.yaml"]["train.learning_rate"]["new"] == pytest.approx(1e-5)
    change = json.loads(project.dvc("metrics", "diff", "--json", "main", "slow-learner"))
    assert change["metrics/evaluate.json"]["point.auroc"]["diff"] != 0


def test_queued_experiments(project):
    project.dvc("exp", "run", "--queue", "--name", "sweep", "-S", "evaluate.min_anomaly_points=1,20")
    project.dvc("queue", "start", "--jobs", "1")
    deadline = time.monotonic() + QUEUE_TIMEOUT_S
    while not re.search(r"No experiment tasks|Failed|(?s:Success.*Success)", status := project.dvc("queue", "status")):
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert len(re.findall("Success", status)) == 2, status + project.dvc("queue", "logs", "sweep-1")
    change = json.loads(project.dvc("metrics", "diff", "--json", "sweep-1", "sweep-2"))
    assert "frame.auroc" in change["metrics/evaluate.json"]


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


def cache_files(project: Project) -> list[Path]:
    return sorted((project.root / ".dvc" / "cache" / "files" / "md5").glob("??/*"))


def assert_cache_is_whole(project: Project) -> None:
    """Every file in DVC's cache holds what its name promises."""
    files = cache_files(project)
    assert len(files) > 100
    for path in files:
        name = (path.parent.name + path.name).removesuffix(".dir")
        assert hashlib.md5(path.read_bytes()).hexdigest() == name, path


def link_type(path: Path) -> str:
    return "symlink" if path.is_symlink() else "hardlink" if path.stat().st_nlink > 1 else "copy"


def has_reflinks(folder: Path) -> bool:
    (folder / "one").write_text("one")
    return subprocess.run(["cp", "--reflink=always", "one", "two"], cwd=folder, check=False, stderr=-3).returncode == 0


@pytest.mark.parametrize("cache_type", ["copy", "hardlink", "symlink", "reflink"])
def test_outs_that_are_links_into_the_cache_are_replaced_not_written_through(project, tmp_path, cache_type):
    """Stages run without DVC, which would remove the links before: then with it."""
    if cache_type == "reflink" and not has_reflinks(tmp_path):
        pytest.skip(f"{tmp_path} has no reflinks")
    folders = ("data/sample", "data/shards", "models", "data/predictions", "plots/labels", "plots/figures")
    before = project.digest(*folders)
    project.dvc("config", "--local", "cache.type", cache_type)
    project.dvc("checkout", "--relink")
    expected = "copy" if cache_type == "reflink" else cache_type
    outs = [path for folder in folders for path in (project.root / folder).rglob("*") if path.is_file()]
    assert {link_type(path) for path in outs} == {expected}
    assert_cache_is_whole(project)

    project.set(simulate__seed=2, train__seed=2, plot__dpi=50)
    for stage in STAGES:
        project.ok(sys.executable, "-m", f"stages.{stage}")
    changed = project.digest(*folders)
    assert all(changed[name] != digest for name, digest in before.items() if name in changed and "index" not in name)
    assert_cache_is_whole(project)
    project.dvc("checkout", "--force")
    assert project.digest(*folders) == before

    project.ok("git", "checkout", "-q", "--", "params.yaml", "metrics", "plots")
    assert stages_run(project.dvc("repro")) == []
    project.set(plot__dpi=50)
    assert stages_run(project.dvc("repro")) == ["plot"]
    assert_cache_is_whole(project)
    assert project.run(sys.executable, "-m", "dvc", "status", "-q").returncode == 0


S3_SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def s3_url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server on this machine with a bucket `team`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    command = [sys.executable, "-c", S3_SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        with urllib.request.urlopen(urllib.request.Request(f"{url}/team", method="PUT")):
            yield url
        server.stdin.close()


def test_a_fresh_clone_pulls_from_s3_what_it_would_compute(project, tmp_path, s3_url):
    project.dvc("remote", "add", "-d", "storage", "s3://team/anovox")
    project.dvc("remote", "modify", "storage", "endpointurl", s3_url)
    project.commit("Remote")
    project.dvc("push")
    clone = Project(tmp_path / "clone")
    project.ok("git", "clone", "-q", str(project.root), str(clone.root))
    assert not (clone.root / "data").exists() and cache_files(clone) == []
    clone.dvc("pull")
    assert stages_run(clone.dvc("repro")) == []
    folders = ("data/sample", "data/shards", "models", "data/predictions", "metrics", "plots")
    assert clone.digest(*folders) == project.digest(*folders)
    assert clone.run(sys.executable, "-m", "dvc", "status", "-q").returncode == 0
    assert json.loads(clone.dvc("metrics", "diff", "--json")) == {}
    assert_cache_is_whole(clone)


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
    ("key", "value", "words"),
    [
        ("train.epochs", "abc", ["train.epochs", "'abc'", "integer"]),
        ("train.epoch", 3, ["train.epoch", "unknown key", "epochs"]),
        ("simulate.image_height", -32, ["simulate.image_height", "-32", "greater than or equal to 16"]),
    ],
)
@pytest.mark.parametrize("stage", ["simulate", "train"])
def test_wrong_param_ends_a_stage_before_any_work(project, stage, key, value, words):
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
