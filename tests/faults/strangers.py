"""What somebody else has put where a stage writes: at its hidden names, in its outputs, in the store of its work."""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from lib.common.outputs import partial_of
from tests.faults.lab import Lab, Trial, difference, draws
from tests.faults.workspace import outs_of
from tests.fuzz.places import clear

THINGS: Final = ("link", "link to nowhere", "link to a folder", "hard link", "FIFO")
PLACES: Final = ("at a hidden name", "in an output folder", "in the scratch store")
DAYS: Final = 400


def strangers(lab: Lab, stage: str, seed: int, number: int) -> Trial | None:
    """A stage finds things of a stranger, who wants them back; None where the stage has no such place."""
    random = draws(seed, "strangers", stage, number)
    workspace = lab.workspace(f"strangers-{stage}-{number}", stage)
    theirs = workspace.root / "theirs"
    (theirs / "folder").mkdir(parents=True)
    for path in (theirs / "letter", theirs / "folder" / "note.json"):
        path.write_text("theirs")
    place = PLACES[number % len(PLACES)]
    put = _put(workspace.root, stage, place, theirs, random)
    if not put:
        return None
    watched = [theirs] if place == "at a hidden name" else [theirs, *put]
    before = _seen(watched)
    ended = workspace.stage(stage)
    lost = None if _seen(watched) == before else "something of a stranger has changed"
    wrong = None if ended.status else difference(lab.new_contents, workspace, _others(stage, workspace.root, put))
    for path in put:
        clear(path)
    lost = lost or lab.lost(workspace, stage)
    trial = Trial(
        f"foreign files {place}",
        stage,
        lost,
        wrong or lab.wrong_after(workspace, stage),
        ended.unclear() if ended.status else None,
    )
    shutil.rmtree(workspace.root)
    return trial


def _put(root: Path, stage: str, place: str, theirs: Path, random: np.random.Generator) -> list[Path]:
    """Put things there; where they lie."""
    outs = [root / out for out in outs_of(stage)]
    if place == "in the scratch store":
        return _fill_store(root / ".scratch", theirs)
    if place == "in an output folder":
        folders = [path for path in outs if path.is_dir()]
        if not folders:
            return []
        path = folders[int(random.integers(len(folders)))] / "notes.txt"
    else:
        out = outs[int(random.integers(len(outs)))]
        path = partial_of(out)
    thing = THINGS[int(random.integers(len(THINGS)))]
    path.parent.mkdir(parents=True, exist_ok=True)
    if thing == "hard link":
        path.hardlink_to(theirs / "letter")
    elif thing == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(theirs / {"link": "letter", "link to nowhere": "nowhere", "link to a folder": "folder"}[thing])
    return [path]


def _fill_store(store: Path, theirs: Path) -> list[Path]:
    """Old things beside those of ours, and a link with the name of one."""
    key = "0123456789abcdef" * 2
    for name in ("train/notes", "predict/.git", "photos/2019"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(theirs / "folder", store / name)
    (store / "train" / key[::-1]).symlink_to(theirs / "folder")
    put = [path for kind in store.iterdir() for path in kind.iterdir()]
    old = time.time() - DAYS * 86_400
    for path in [theirs, *theirs.rglob("*"), *store.rglob("*")]:
        os.utime(path, (old, old), follow_symlinks=False)
    return put


def _seen(paths: Iterable[Path]) -> list[tuple[str, int, int, bytes]]:
    """Names, kinds, inodes and content of all there."""
    every = sorted(each for path in paths for each in (path, *path.rglob("*")) if os.path.lexists(each))
    return [
        (str(path), path.lstat().st_mode, path.lstat().st_ino, path.read_bytes() if _is_file(path) else b"")
        for path in every
    ]


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _others(stage: str, root: Path, put: list[Path]) -> list[str]:
    """The outs in which nothing lies that is not of the stage."""
    return [out for out in outs_of(stage) if not any(path.is_relative_to(root / out) for path in put)]
