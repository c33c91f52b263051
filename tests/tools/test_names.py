"""Names that are not UTF-8, or steer terminals, in arguments of every tool: a sentence or a usage, no traceback."""

import os
import subprocess
import sys

import pytest

from tests.processes import ROOT, environment

EVIL = os.fsdecode(b"\xff\x1b[2J\n\xe2\x80\xae")
COMMANDS = {
    "check": ["tools.check", "{}"],
    "check, frames": ["tools.check", "--frames", "{}"],
    "voxelize": ["tools.voxelize", "{}"],
    "unpack": ["tools.unpack", "{}", "{}"],
    "compare": ["tools.compare", "{}", "workspace"],
    "compare_scores": ["tools.compare_scores", "--model", "{}"],
    "baselines": ["tools.baselines", "--shards", "{}"],
    "pseudo_anomalies": ["tools.pseudo_anomalies", "--shards", "{}"],
    "score_voxels": ["tools.score_voxels", "--predictions", "{}", "--ground-truth", "{}", "--frames", "{}"],
    "study": ["tools.study", "{}"],
    "fuzz": ["tests.fuzz", "{}"],
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tool", "name"),
    [*((tool, EVIL) for tool in COMMANDS), ("check", "a" * 5_000), ("unpack", "a/" * 3_000)],
    ids=[*COMMANDS, "long", "deep"],
)
def test_a_name_is_refused_with_a_sentence(tmp_path, tool, name):
    (tmp_path / "params.yaml").symlink_to(ROOT / "params.yaml")
    arguments = [part.replace("{}", name) for part in COMMANDS[tool]]
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=tmp_path, env=environment(), capture_output=True)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode in (1, 2) and "error: " in text and "Traceback" not in text
    assert all(character.isprintable() or character in "\n" for character in text)
    assert {path.name for path in tmp_path.iterdir()} <= {"params.yaml", "logs"}
