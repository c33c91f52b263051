"""`python -m tools.unpack` as a user meets it."""

import shutil
import sys
from pathlib import Path

import pytest

from lib.common.errors import run_stage
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
    assert line.startswith("1 file (0.0 MB) unpacked to ") and line.endswith(f"; {files - 1} existed already\n")
    run(monkeypatch, archive, tmp_path / "my data")
    assert capsys.readouterr().out == f"nothing to do: all {files} files are already in {tmp_path / 'my data'}\n"


def test_mistakes_are_one_sentence(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path / "nothing.zip", tmp_path / "data")
    assert caught.value.code == 1
    sentence = f"error: {tmp_path / 'nothing.zip'}: cannot be read (No such file or directory)\n"
    assert capsys.readouterr().err == sentence
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path)
    assert caught.value.code == 2 and "DATA_ROOT" in capsys.readouterr().err


def test_sound_archives_are_unpacked_beside_damaged_ones_and_the_exit_status_tells(tmp_path, monkeypatch, capsys):
    sound = Path(shutil.make_archive(tmp_path / "sound", "zip", GOLDEN))
    cut, page = tmp_path / "cut.zip", tmp_path / "page.zip"
    cut.write_bytes(sound.read_bytes()[:-1000])
    page.write_text("<html>Not found</html>")
    for _ in range(2):
        with pytest.raises(SystemExit) as caught:
            run(monkeypatch, cut, sound, page, tmp_path / "data")
        assert caught.value.code == 1
        said = capsys.readouterr()
        first, second, last = said.err.splitlines()
        assert first.startswith(f"error: {page}: neither a .tar.gz nor a .zip archive, according to its first bytes")
        assert second.startswith(f"error: {cut}: damaged or incomplete")
        assert last == "error: 2 of 3 archives refused, for the reasons above"
    assert said.out.startswith("nothing to do: all ") and said.out.count("\n") == 1
    files = {str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*") if path.is_file()}
    found = {str(path.relative_to(tmp_path / "data")) for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert found == files


def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(unpack, "unpack", interrupted)
    with pytest.raises(SystemExit) as caught:
        run(monkeypatch, tmp_path / "a.zip", tmp_path)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted: run the same command again to resume\n"
