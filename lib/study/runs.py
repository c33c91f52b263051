"""Runs of a study, in a clone of the repository with the same DVC cache, so that the working tree is not changed."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import atomic_folder
from lib.common.reading import read_text
from lib.shards.index import SHARD_FILES
from lib.study.comparisons import Comparison, comparison_of, pairs_of
from lib.study.result_rows import Row, row_of
from lib.study.study_plan import Run, Value, row_id

PIPELINE: Final = ("lib", "stages", "tools", "params.yaml", "dvc.yaml")
BASELINE_METRICS: Final = "data/baselines/metrics.json"


def open_clone(repository: Path, folder: Path) -> str:
    """Create or update the clone at the repository's HEAD; returns the commit.

    Raises DataError if the pipeline has uncommitted changes, or the folder is not such a clone.
    """
    changed = _out(repository, "git", "status", "--porcelain", "--", *PIPELINE)
    if changed:
        first = changed.splitlines()[0].split(maxsplit=1)[-1]
        raise DataError(
            f"{repository / first}: has uncommitted changes; a study runs the committed state, so commit first"
        )
    revision = _out(repository, "git", "rev-parse", "HEAD")
    if not folder.exists() or not any(folder.iterdir()):
        _run(repository, "git", "clone", "-q", "--no-checkout", str(repository), str(folder))
        (folder / ".git" / "study").touch()
    if not (folder / ".git" / "study").is_file():
        raise DataError(f"{folder}: exists and is not a clone of a study; choose another folder or remove it")
    _run(folder, "git", "fetch", "-q", "origin", "HEAD")
    _run(folder, "git", "checkout", "-q", "-f", "--detach", revision)
    cache = _out(repository, sys.executable, "-m", "dvc", "cache", "dir")
    _run(folder, sys.executable, "-m", "dvc", "config", "-q", "--local", "cache.dir", cache)
    return revision


def execute(run: Run, clone: Path, revision: str, kept_predictions: Path) -> list[Row]:
    """Execute a run and return its rows; a detector's predictions are kept for comparisons. Raises DataError."""
    _run(clone, "git", "checkout", "-q", "-f", "--detach", revision)
    if run.kind == "baselines":
        start = time.monotonic()
        _experiment(clone, dict(run.changes), "preprocess")
        _run(clone, sys.executable, "-m", "tools.baselines", "--metrics", BASELINE_METRICS)
        minutes = (time.monotonic() - start) / 60
        metrics = _read(clone / BASELINE_METRICS)
        parts = [(name, *name.split()) for name in run.names]
        return [row_of(run, name, revision, metrics[sensors][method], minutes) for name, sensors, method in parts]
    rows = []
    for name in run.names:  # the first one trains
        start = time.monotonic()
        _experiment(clone, run.changes_of(name), "evaluate")
        minutes = (time.monotonic() - start) / 60
        rows.append(row_of(run, name, revision, _read(clone / "metrics" / "evaluate.json"), minutes))
        if name == run.names[0]:
            with atomic_folder(kept_predictions / _folder(rows[0].id), (SHARD_FILES,)) as folder:
                shutil.copytree(clone / "data" / "predictions", folder, dirs_exist_ok=True)
    return rows


def compare_with(run: Run, finished: Sequence[str], clone: Path, kept_predictions: Path) -> list[Comparison]:
    """Compare a run that was just executed with its partners in PAIRS, of the same scale and seed."""
    if run.kind != "detector":
        return []
    found = []
    for pair in pairs_of(run, finished):
        folders = [kept_predictions / _folder(row_id(run.scale, name, run.seed)) for name in pair]
        if all(folder.is_dir() for folder in folders):
            command = [sys.executable, "-m", "tools.compare", *map(str, folders), "--json"]
            found.append(comparison_of(run, pair, _out(clone, *command)))
    return found


def _folder(identifier: str) -> str:
    return identifier.replace(" ", "-")


def _experiment(clone: Path, changes: dict[str, Value], last_stage: str) -> None:
    settings = [part for key, value in changes.items() for part in ("-S", f"{key}={value}")]
    _run(clone, sys.executable, "-m", "dvc", "exp", "run", *settings, last_stage)


def _read(path: Path) -> Any:
    return json.loads(read_text(path))


def _environment() -> dict[str, str]:
    """Environment for commands in the clone: the current `python`, a committer, no Git or DVC settings of a hook."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    who = {f"GIT_{role}_{what}": "study@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**inherited, **who, "PATH": path}


def _run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, env=_environment(), check=False)  # noqa: S603
    if done.returncode:
        raise DataError(f"{folder}: `{' '.join(command)}` failed; see its output above")


def _out(folder: Path, *command: str) -> str:
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=_environment(), check=False, capture_output=True, text=True, errors="surrogateescape"
    )
    if done.returncode:
        raise DataError(f"{folder}: `{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()
