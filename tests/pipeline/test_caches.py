"""DVC's cache and its remotes: links of every type, and S3, with the pipeline's real results."""

import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dvc_project import STAGES, Project, stages_run
from tests.present import present

pytestmark = pytest.mark.slow


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


def test_outs_that_are_links_into_the_cache_are_replaced_not_written_through(project):
    """Stages run without DVC, which would remove the links before: then with it."""
    folders = ("data/sample", "data/shards", "models", "data/predictions", "plots/labels", "plots/figures")
    before = project.digest(*folders)
    project.dvc("config", "--local", "cache.type", "hardlink")
    project.dvc("checkout", "--relink")
    outs = [path for folder in folders for path in (project.root / folder).rglob("*") if path.is_file()]
    assert {link_type(path) for path in outs} == {"hardlink"}
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
    assert stages_run(project.dvc("repro")) == ["check", "plot"]
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
        url = f"http://127.0.0.1:{int(present(server.stdout).readline())}"
        with urllib.request.urlopen(urllib.request.Request(f"{url}/team", method="PUT")):
            yield url
        present(server.stdin).close()


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
