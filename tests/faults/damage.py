"""Files cut short and single bits flipped, before a stage reads them and under DVC."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from tests.faults.disks import judged
from tests.faults.lab import Lab, Trial, draws
from tests.faults.workspace import Workspace, inputs_of

KEPT: Final = ("data/shards", "data/predictions", "models/weights.safetensors")
"""What later stages read and DVC keeps in its cache."""
KINDS: Final = ("truncated", "with one bit flipped")
READERS: Final = ("train", "predict", "evaluate", "export", "plot")


def victims(workspace: Workspace, stage: str) -> list[Path]:
    """The files that a stage reads, of those that stages write for each other."""
    roots = [workspace.root / path for path in inputs_of(stage) if path in KEPT]
    return sorted(p for root in roots for p in ([root] if root.is_file() else root.rglob("*")) if p.is_file())


def harm(path: Path, kind: str, random: np.random.Generator) -> None:
    """Cut a file at a random place, or flip one random bit; its time and rights stay, as on a failing disk."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        data = data[: int(random.integers(len(data)))]
    else:
        bit = int(random.integers(8 * len(data)))
        data[bit // 8] ^= 1 << bit % 8
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(data)
        file.truncate(len(data))
    path.chmod(before.st_mode & 0o777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def damaged_input(lab: Lab, stage: str, kind: str, seed: int, number: int) -> Trial | None:
    """A stage reads a damaged file. None where the result is right all the same: the stage does not read the file, or
    nothing depends on the bit.
    """
    random = draws(seed, kind, stage, number)
    workspace = lab.workspace(f"{kind}-{stage}-{number}".replace(" ", "-"), stage)
    files = victims(workspace, stage)
    victim = files[int(random.integers(len(files)))]
    harm(victim, kind, random)
    name = str(victim.relative_to(workspace.root))

    def mend() -> None:
        shutil.copy(lab.new.root / name, victim)

    trial = judged(lab, f"file {kind}", workspace, stage, workspace.stage(stage), mend)
    shutil.rmtree(workspace.root)
    return trial and replace(trial, where=f"{stage}, {name.rsplit('/', 1)[0]}")
