"""How stages and tools end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "body",
    ["print('x' * 1_000_000)", "print('x')", "print('x'); sys.exit(1)", "print('x' * 99, file=sys.stderr)"],
    ids=["while it prints", "at the end", "after sys.exit", "stderr, too"],
)
def test_a_reader_that_leaves_is_no_error(body):
    script = f"import sys\nfrom lib.common.errors import run_stage\ndef main():\n    {body}\nrun_stage(main)"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stderr = writer if "stderr" in body else subprocess.PIPE
        run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=writer, stderr=stderr, check=False)
    finally:
        os.close(writer)
    assert run.returncode == 141 and not run.stderr


def test_a_signal_that_a_library_turns_into_its_own_error_ends_the_stage_as_any_signal():
    """As SIGTERM within the import of a compiled module: ImportError, initialization failed."""
    script = """
import os, signal
from lib.common.errors import run_stage
def main():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except BaseException:
        raise ImportError("initialization failed")
run_stage(main)
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (143, "stopped: by SIGTERM; run it again to go on\n")
