"""Disks that are full, unreadable or read-only, and folders with odd names."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.faults.lab import Lab, Trial, difference, draws, leftovers
from tests.faults.workspace import SMALL, STAGES, Ended, Workspace, inputs_of, new_workspace, outs_of, remove

DISK_BYTES: Final = 64 << 20
PAGE_BYTES: Final = 4096
UNREADABLE: Final = Path("/proc/self/mem")
"""What links to it can be opened; reading it from its start is an input/output error, whoever reads."""
ODD_NAME: Final = "My AnoVox [v1] (copy) *"


def may_mount() -> bool:
    """Whether this user may mount file systems."""
    return os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[Path]:
    """A file system mounted at a new folder until the end of the block."""
    place.mkdir(parents=True)
    subprocess.run(["mount", *options, str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def full_disk(lab: Lab, stage: str, seed: int, number: int) -> Trial | None:
    """A stage on a disk of its own, of which a random part of what it needs is free; None when it was enough."""
    random = draws(seed, "full disk", stage, number)
    fresh = lab.workspace(f"full-{stage}-{number}", stage)
    need = sum(_pages(lab.new.root / out) for out in outs_of(stage))
    place = lab.folder / "disks" / fresh.root.name
    with mounted(place, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs"):
        workspace = Workspace(Path(shutil.copytree(fresh.root, place / "workspace")))
        ballast = place / "ballast"
        free = int(random.uniform(0, need) * 0.9)
        available = shutil.disk_usage(place).free
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(PAGE_BYTES, available - free))
        ended = workspace.stage(stage)
        trial = judged(lab, "full disk", workspace, stage, ended, ballast.unlink)
    shutil.rmtree(fresh.root)
    return trial


def size_limit(lab: Lab, stage: str, seed: int, number: int) -> Trial | None:
    """A stage whose files may not grow past a random size (`ulimit -f`); None when it needs no more."""
    random = draws(seed, "limit", stage, number)
    workspace = lab.workspace(f"limit-{stage}-{number}", stage)
    largest = max(p.stat().st_size for out in outs_of(stage) for p in _files(lab.new.root / out))
    kib = int(random.uniform(0, largest) // 1024)
    command = f'ulimit -f {kib}; exec "{sys.executable}" -m stages.{stage}'
    ended = workspace.start("bash", "-c", command).end()
    trial = judged(lab, "file size limit", workspace, stage, ended, lambda: None)
    shutil.rmtree(workspace.root)
    return trial


def read_error(lab: Lab, stage: str, seed: int, number: int) -> Trial | None:
    """A random file that a stage reads gives an input/output error, or is a folder, or a link to nowhere.

    None where it reads none.
    """
    random = draws(seed, "read", stage, number)
    workspace = lab.workspace(f"read-{stage}-{number}", stage)
    victims = sorted(p for path in inputs_of(stage) for p in _files(workspace.root / path))
    if not victims:
        return None
    victim = victims[int(random.integers(len(victims)))]
    remove(victim)
    kind = ("input/output error", "folder in place of a file", "link to nowhere")[number % 3]
    if kind == "folder in place of a file":
        victim.mkdir()
    else:
        victim.symlink_to(UNREADABLE if kind == "input/output error" else "nowhere")

    def mend() -> None:
        remove(victim)
        shutil.copy(lab.new.root / victim.relative_to(workspace.root), victim)

    ended = workspace.stage(stage)
    skipped = ended.status == 0 and victim.name in ended.output + ended.errors
    trial = judged(lab, f"read error ({kind})", workspace, stage, ended, mend, skipped)
    shutil.rmtree(workspace.root)
    return trial


def judged(
    lab: Lab,
    fault: str,
    workspace: Workspace,
    stage: str,
    ended: Ended,
    mend: Callable[[], object],
    skipped: bool = False,
) -> Trial | None:
    """What came of a fault that need not end the stage: it is refused in a sentence, or the outs are right, or what
    could not be used was left out and named (`skipped`); mended, the next run is right. None for a harmless one.
    """
    lost, wrong, unclear = None, None, None
    if ended.status:
        lost, unclear = lab.lost(workspace, stage), ended.unclear()
    elif not skipped:
        wrong = difference(lab.new_contents, workspace, outs_of(stage))
        if wrong is None:
            return None
    left = leftovers(workspace)
    mend()
    return Trial(fault, stage, lost, wrong or left or lab.wrong_after(workspace, stage), unclear)


def read_only_root(lab: Lab) -> Trial:
    """AnoVox on a disk mounted read-only."""
    workspace = new_workspace(lab.folder / "trials" / "read-only", SMALL)
    place = lab.folder / "disks" / "read-only"
    with mounted(place, "--bind", "-o", "ro", str(lab.new.root / "data" / "sample")):
        workspace.set({"data.root": str(place)})
        wrong = lab.wrong_after(workspace, "preprocess")
    return Trial("read-only data root", "preprocess", wrong=wrong)


def read_only_workspace(lab: Lab, stage: str) -> Trial:
    """A workspace on a disk mounted read-only: refused in a sentence."""
    fresh = lab.workspace(f"unwritable-{stage}", stage)
    with mounted(lab.folder / "disks" / f"unwritable-{stage}", "--bind", "-o", "ro", str(fresh.root)) as place:
        workspace = Workspace(place)
        ended = workspace.stage(stage)
        lost = lab.lost(workspace, stage)
        unclear = ended.unclear() or (None if ended.status else "no failure")
    wrong = lab.wrong_after(fresh, stage)
    return Trial("read-only workspace", stage, lost, wrong, unclear)


def odd_names(lab: Lab) -> Iterator[Trial]:
    """A data root, and a workspace, with spaces, brackets and a star in the name."""
    root = lab.folder / "trials" / ODD_NAME / "AnoVox [data]"
    shutil.copytree(lab.new.root / "data" / "sample", root)
    workspace = new_workspace(lab.folder / "trials" / ODD_NAME / "workspace", {**SMALL, "data.root": str(root)})
    for stage in STAGES[1:]:
        wrong = lab.wrong_after(workspace, stage)
        yield Trial("data root and workspace with spaces and brackets", stage, wrong=wrong)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]


def _pages(path: Path) -> int:
    return sum(-(-p.stat().st_size // PAGE_BYTES) * PAGE_BYTES for p in _files(path))
