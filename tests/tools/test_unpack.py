"""`python -m tools.unpack` as a user meets it."""

import shutil
import sys

import pytest

from lib.errors import run_stage
from tests.anovox_sample import GOLDEN
from tools import unpack


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["unpack", *map(str, arguments)])
    run_stage(unpack.main)


def test_it_says_what_it_did_and_what_was_there(tmp_path, monkeypatch, capsys):
    archive = shutil.make_archive(tmp_path / "my archive", "gztar", GOLDEN)
    run(monkeypatch, archive, tmp_path / "my data")
    files = sum(path.is_file() for path in GOLDEN.rglob("*"))
    line = capsys.readouterr().out
    assert line.startswith(f"{files} files (") and line.endswith(f" MB) unpacked to {tmp_path / 'my data'}\n")
    next((tmp_path / "my data").rglob("*.png")).unlink()
    run(monkeypatch, archive, tmp_path / "my data")
    line = capsys.readouterr().out
    assert line.startswith("1 file (0.0 MB) unpacked to ") and line.endswith(f"; {files - 1} were there already\n")
    run(monkeypatch, archive, tmp_path / "my data")
    assert capsys.readouterr().out == f"nothing to do: all {files} files are in {tmp_path / 'my data'} already\n"


def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path / "nothing.zip", tmp_path / "data")
    assert caught.value.code == 1
    sentence = f"error: {tmp_path / 'nothing.zip'}: cannot be read (No such file or directory)\n"
    assert capsys.readouterr().err == sentence
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path)
    assert caught.value.code == 2 and "DATA_ROOT" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(unpack, "unpack", interrupted)
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path / "a.zip", tmp_path)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted: run the same command again to go on\n"
