"""Every tool says how it is called, and refuses what it does not know."""

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "tools"
TOOLS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def exit_status(monkeypatch, tool, *arguments):
    path = str(FOLDER / f"{tool}.py")
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(path, run_name="__main__")
    return end.value.code


@pytest.mark.parametrize("tool", TOOLS)
def test_help_is_printed_and_nothing_else_is_done(monkeypatch, capsys, tmp_path, tool):
    monkeypatch.chdir(tmp_path)
    assert exit_status(monkeypatch, tool, "--help") == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"usage: python -m tools.{tool} ") and said.err == ""
    assert len(said.out.splitlines()) > 4, "a description and the options"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tool", TOOLS)
def test_unknown_arguments_are_refused(monkeypatch, capsys, tmp_path, tool):
    monkeypatch.chdir(tmp_path)
    assert exit_status(monkeypatch, tool, "--no-such-option") == 2
    assert f"python -m tools.{tool}: error: " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
