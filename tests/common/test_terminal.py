"""What reaches a terminal or a log file: no name steers it, and streams that take no more give no traceback."""

import ast
import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lib.common.errors import run_stage
from lib.common.terminal import OutputError, PlainFormatter, PlainStream, log, readable, steady
from tests.test_structure import ROOT, modules, tree

EVIL = os.fsdecode(b"\xff\x1b[2J\x07\n\xc2\x9b31m\xe2\x80\xae")
SHELL_ENDINGS = {
    ">&-": (0, ""),
    "2>&-": (0, "word\n"),
    ">&- 2>&-": (0, ""),
    "2>/dev/full": (0, "word\n"),
    ">/dev/full": (1, "error: standard output: cannot be written (No space left on device); check the disk"),
    ">/dev/full 2>&1": (1, ""),
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb\n", "a?[2Jb\n"),
        ("a\tb\nc é 好", "a\tb\nc é 好"),
        ("\r 50%|█", "\r 50%|█"),
        ("x\r", "x\r"),
        ("\r", "\r"),
        ("\r\r", "\r\r"),
        ("done\rERROR", "done?ERROR"),
        ("\udcff\u202e\x9b", "???"),
        ("", ""),
    ],
)
def test_lines_and_progress_bars_pass_and_nothing_else(text, shown):
    assert steady(text) == shown


def test_a_stream_writes_what_it_can():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    plain = PlainStream(stream, keeps_going=False)
    assert plain.write("é\x1b\udcff.") == 4 and plain.encoding == "ascii"
    assert stream.buffer.getvalue() == b"???."


class Full(io.StringIO):
    """A stream on a full disk."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def write(self, _):
        raise OSError(28, "No space left on device")

    def fileno(self):
        return self.number


def test_what_cannot_be_printed_ends_the_work_and_what_cannot_be_said_does_not(tmp_path):
    for keeps_going in (True, False):
        with (tmp_path / "x").open("w") as file:
            plain = PlainStream(Full(file.fileno()), keeps_going)
            if keeps_going:
                assert plain.write("lost") == 4
            else:
                with pytest.raises(OutputError, match="No space left"):
                    plain.write("lost")


def test_log_records_are_one_plain_line(tmp_path):
    handler = logging.FileHandler(tmp_path / "log", encoding="utf-8")
    handler.setFormatter(PlainFormatter("%(message)s"))
    log = logging.getLogger("test_terminal")
    log.propagate = False  # to pytest, whose reports cannot hold such names
    log.addHandler(handler)
    log.warning("skipped %s", EVIL)
    log.removeHandler(handler)
    handler.close()
    assert (tmp_path / "log").read_text() == f"skipped {readable(EVIL)}\n"


def test_a_line_stays_one_line(capsys):
    log(f"left out {EVIL}")
    assert capsys.readouterr().out == f"left out {readable(EVIL)}\n"


def run(script, *arguments, redirect=""):
    command = f'exec "$0" -c "$1" "${{@:2}}" {redirect}'
    return subprocess.run(["bash", "-c", command, sys.executable, script, *arguments], cwd=ROOT, capture_output=True)


SCRIPT = "import sys\nfrom lib.common.errors import run_stage\ndef main():\n    {}\nrun_stage(main)"


@pytest.mark.parametrize(
    "body",
    [
        "print(sys.argv[1])",
        "print(sys.argv[1], file=sys.stderr)",
        "raise RuntimeError(sys.argv[1])",
        "import warnings; warnings.warn(sys.argv[1])",
        "import logging; logging.warning('%s', sys.argv[1])",
        "import argparse; argparse.ArgumentParser().parse_args()",
        "from tqdm import tqdm; list(tqdm([1], desc=sys.argv[1]))",
        "sys.exit(sys.argv[1])",
    ],
)
def test_whoever_writes_nothing_steers_the_terminal(body):
    done = run(SCRIPT.format(body), EVIL)
    text = (done.stdout + done.stderr).decode()
    assert "?[2J" in text and "UnicodeEncodeError" not in text
    assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}


@pytest.mark.parametrize(("redirect", "expected"), SHELL_ENDINGS.items())
def test_full_and_closed_outputs(redirect, expected):
    status, said = expected
    done = run(SCRIPT.format("print('word'); print('aside', file=sys.stderr); sys.stdout.flush()"), redirect=redirect)
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == status and "Traceback" not in text and "Exception ignored" not in text
    assert said in text


def test_no_file_takes_the_number_of_a_closed_output(tmp_path):
    """Else what a library prints would be written into it."""
    body = "file = open(sys.argv[1], 'w'); assert file.fileno() > 2; import os; os.write(1, b'stray'); file.close()"
    done = run(SCRIPT.format(body), str(tmp_path / "x"), redirect="<&- >&- 2>&-")
    assert done.returncode == 0 and (tmp_path / "x").read_text() == ""


def test_a_full_output_leaves_nothing_half_written(tmp_path):
    body = (
        "from lib.common.outputs import atomic_folder; from pathlib import Path\n"
        "    with atomic_folder(Path(sys.argv[1])) as folder:\n"
        "        (folder / 'x').touch()\n"
        "        print('x', flush=True)"
    )
    done = run(SCRIPT.format(body), str(tmp_path / "out"), redirect=">/dev/full")
    assert done.returncode == 1 and done.stderr.startswith(b"error: standard output: cannot be written")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", ["MemoryError()", 'RuntimeError("[enforce fail at alloc_cpu.cpp] can\'t allocate memory: 8 bytes")']
)
def test_a_lack_of_memory_is_a_sentence(capsys, error):
    def main():
        raise eval(error)

    with pytest.raises(SystemExit) as caught:
        run_stage(main)
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("error: Cannot allocate memory; free some memory")


def test_other_errors_of_libraries_stay_tracebacks():
    with pytest.raises(RuntimeError, match="shapes"):
        run_stage(lambda: (_ for _ in ()).throw(RuntimeError("shapes do not fit")))


def test_stages_and_lib_print_through_say():
    """Names with line feeds in them stay one line; `print` writes them as they are."""
    for path in modules("lib", "stages"):
        calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
        printing = [call.lineno for call in calls if ast.unparse(call.func) == "print"]
        assert not printing or path == Path("lib/common/errors.py"), (
            f"{path}:{printing[0]}: lib.common.terminal.say prints a line"
        )


def test_every_tool_and_stage_runs_under_the_guard():
    for path in modules("tools", "stages"):
        text = (ROOT / path).read_text(encoding="utf-8")
        if 'if __name__ == "__main__":' in text:
            assert re.search(r"\n    run_stage\(main\)\n", text), path
