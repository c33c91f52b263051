"""How stages and tools end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "body",
    ["print('x' * 1_000_000)", "print('x')", "print('x'); sys.exit(1)", "print('x' * 99, file=sys.stderr)"],
    ids=["while it prints", "at the end", "after sys.exit", "stderr, too"],
)
def test_a_reader_that_leaves_is_no_error(body):
    script = f"import sys\nfrom lib.errors import run_stage\ndef main():\n    {body}\nrun_stage(main)"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stderr = writer if "stderr" in body else subprocess.PIPE
        run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=writer, stderr=stderr, check=False)
    finally:
        os.close(writer)
    assert run.returncode == 141 and not run.stderr
