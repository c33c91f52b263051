"""Run the whole pipeline, with real DVC, on a tiny sample in a temporary folder: `make smoke`."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import yaml

from lib.common.errors import run_stage

ROOT: Final = Path(__file__).resolve().parents[1]
PROJECT: Final = (
    "lib",
    "stages",
    "dvc.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvc/plots",
)
TINY: Final[dict[str, Any]] = {
    "data.root": "data/sample",
    "simulate.normality_scenarios": 8,
    "simulate.anomaly_scenarios": 4,
    "simulate.frames_per_scenario": 2,
    "simulate.image_height": 64,
    "simulate.image_width": 96,
    "simulate.lidar_channels": 16,
    "simulate.lidar_rays_per_channel": 128,
    "model.image_channels": 8,
    "model.lidar_channels": 8,
    "model.fusion_channels": 16,
    "train.epochs": 2,
    "train.batch_size": 4,
    "evaluate.bootstrap_resamples": 100,
    "plot.gallery_frames": 1,
    # For so little work, starting more processes and threads takes longer than it saves.
    "execution.processes": 1,
    "execution.workers": 1,
}


def copy_project(target: Path) -> None:
    """Copy code, params and DVC settings, but no results, to a new folder, with its own DVC cache."""
    for name in PROJECT:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)


def set_params(path: Path, changes: dict[str, Any]) -> None:
    """Change params.yaml in place; keys as in `dvc exp run -S`: train.epochs."""
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        section, name = key.split(".")
        values[section][name] = value
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def stage_environment() -> dict[str, str]:
    """Environment in which the stages use the current `python`."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }


def main() -> None:
    """Copy the project, set tiny params, run the pipeline, and print a summary."""
    argparse.ArgumentParser(prog="python -m tools.smoke", description=__doc__).parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        project = Path(folder)
        copy_project(project)
        set_params(project / "params.yaml", TINY)
        settings = f"[core]\n    no_scm = true\n    site_cache_dir = {project / '.dvc' / 'site'}\n"
        (project / ".dvc" / "config.local").write_text(settings, encoding="utf-8")
        command = [sys.executable, "-m", "dvc", "repro"]
        run = subprocess.run(command, cwd=project, env=stage_environment(), check=False)
        if run.returncode:
            sys.exit("smoke: the pipeline failed; see its output above")
        metrics = json.loads((project / "metrics" / "evaluate.json").read_text(encoding="utf-8"))
        pictures = sum(1 for _ in (project / "plots").rglob("*.png"))
    seconds = time.monotonic() - start
    levels = ", ".join(f"{level} {metrics[level]['auroc']:.2f}" for level in ("frame", "point") if level in metrics)
    print(f"smoke: all stages ran in {seconds:.0f} s; {pictures} pictures; AUROC (too few data to mean much): {levels}")


if __name__ == "__main__":
    run_stage(main)
