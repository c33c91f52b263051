"""The audit says what it found, and never calls silence safety."""

import subprocess
import sys

import pytest

from tools import audit

SOUND = {"name": "numpy", "version": "2.4.6", "vulns": []}
FLAWED = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}]}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.13.0)"}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([SOUND], 0, "no known vulnerability in 1 packages"),
        ([SOUND, FLAWED], 1, "old 1.0: PYSEC-1, fixed in 1.1, 2.0"),
        ([SOUND, SKIPPED], 2, "NOT DONE for 1 of 2 packages; the first: torch: Dependency not found"),
        ([FLAWED, SKIPPED], 1, "NOT DONE for 1 of 2 packages"),
        ([], 2, "NOT DONE: pip-audit checked no package"),
    ],
)
def test_judgement(packages, status, words):
    found, lines = audit.verdict({"dependencies": packages})
    assert found == status and words in "\n".join(lines)


@pytest.mark.parametrize(("output", "errors"), [("", "ERROR: ConnectionError: no route"), ("{}", ""), ("nonsense", "")])
def test_a_failed_audit_is_none(monkeypatch, capsys, output, errors):
    done = subprocess.CompletedProcess([], 1, output, errors)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(sys, "argv", ["audit"])
    with pytest.raises(SystemExit) as end:
        audit.main()
    assert end.value.code == 2 and "audit: NOT DONE" in capsys.readouterr().err


def test_pip_audit_is_there():
    run = subprocess.run([*audit.COMMAND[:3], "--version"], capture_output=True, text=True, check=False)
    assert run.stdout.startswith("pip-audit 2.")
