"""The model under its name, from a clone whose data lie on a remote: the commands and the code of docs/dvc.md."""

import re
import sys
from pathlib import Path

import pytest

from lib.export.model_record import load_record
from tests.dvc_project import Project

pytestmark = pytest.mark.slow
PAGE = (Path(__file__).parents[2] / "docs" / "dvc.md").read_text(encoding="utf-8").split("## Passing on the model")[1]


def test_strangers_get_the_model_and_its_card(project, tmp_path):
    commands, code = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[0] for kind in ("sh", "python"))
    tag, push, get = (line.split("   #")[0] for line in commands.splitlines())
    project.dvc("remote", "add", "--default", "storage", str(tmp_path / "storage"))
    project.commit("Remote")
    for command in (tag, push):
        project.ok("sh", "-c", command)

    clone, stranger = Project(tmp_path / "clone"), Project(tmp_path / "stranger")
    project.ok("git", "clone", "-q", str(project.root), str(clone.root))
    assert not (clone.root / "models").exists()
    stranger.root.mkdir()
    stranger.ok("sh", "-c", get.replace("https://github.com/you/anovox-fusion", str(clone.root)))
    taken = stranger.root / "detector.safetensors"
    assert taken.read_bytes() == (project.root / "models/detector.safetensors").read_bytes()
    record = load_record(taken)
    assert record.card == (project.root / "models/detector.md").read_text(encoding="utf-8")

    shown = stranger.ok(sys.executable, "-c", code.replace("https://github.com/you/anovox-fusion", str(clone.root)))
    assert shown.startswith(record.card) and re.fullmatch(r"[01]\.\d+", shown.splitlines()[-1])
