"""A process that tries inputs one after another, under limits of memory, and tells how each went."""

import re
import resource
import time
import traceback
import warnings
import zlib
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from lib.common.outputs import atomic_file
from tests.fuzz.mutations import chosen, mutated
from tests.fuzz.places import KINDS, clear, put_in_place
from tests.fuzz.targets import OURS, Target, make_target, read_all

MEMORY_BYTES: Final = 1 << 30
"""What a reader may ask for beyond what its process holds when it starts."""
ODD_SHARE: Final = 0.05
_OURS: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Job:
    """Inputs `first` to `last` (excluded) of a target; `keep`: a folder for inputs that went wrong."""

    target: str
    corpus: Path
    seed: int
    first: int
    last: int
    keep: Path | None


@dataclass(frozen=True)
class Trial:
    """How one input went: `unclear` is empty unless something else than an error of ours came out."""

    index: int
    refused: bool
    seconds: float
    peak_bytes: int
    unclear: str = ""


def input_bytes(target: Target, seed: int, index: int) -> bytes:
    """The index-th damaged file of a target, the same for the same seed."""
    generator = np.random.default_rng([seed, zlib.crc32(target.name.encode()), index])
    return mutated(target.seeds, target.lie, generator)


def put_input(target: Target, seed: int, index: int, path: Path) -> None:
    """Put the index-th input in the place of a file: damaged content, or now and then something that is no file."""
    content = input_bytes(target, seed, index)
    generator = np.random.default_rng([seed, zlib.crc32(target.name.encode()), index, 1])
    clear(path)
    if generator.random() < ODD_SHARE:
        put_in_place(path, chosen(KINDS, generator), content)
    else:
        path.write_bytes(content)


def work(job: Job, channel: Connection) -> None:
    """Try the job's inputs and send a Trial after each; a crash ends the process, which the other end sees."""
    warnings.simplefilter("error")
    target = make_target(job.target, job.corpus)
    with TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / "inside" / target.file
        path.parent.mkdir()
        for seed in target.seeds:  # what readers load once and keep is no input's fault
            path.write_bytes(seed)
            read_all(target, path)
        held = _memory("VmSize")
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, held + MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = _memory("VmRSS")
        for index in range(job.first, job.last):
            put_input(target, job.seed, index, path)
            start = time.process_time()
            refused, unclear = _try(target, path)
            seconds = time.process_time() - start
            if unclear and job.keep is not None:
                keep_input(job, target, index)
            channel.send(Trial(index, refused, seconds, max(0, _memory("VmHWM") - before), unclear))
    channel.close()


def keep_input(job: Job, target: Target, index: int) -> None:
    """Write an input that went wrong to the job's folder."""
    assert job.keep is not None
    job.keep.mkdir(parents=True, exist_ok=True)
    with atomic_file(job.keep / f"{target.name}-{job.seed}-{index}-{target.file}") as partial:
        partial.write_bytes(input_bytes(target, job.seed, index))


def _try(target: Target, path: Path) -> tuple[bool, str]:
    try:
        return read_all(target, path), ""
    except OURS:
        raise
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_OURS / "lib")]
        where = ", from ".join(
            f"{Path(frame.filename).name}:{frame.lineno}" for frame in (frames[-1], (ours or frames)[-1])
        )
        return False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]} ({where})"


def _memory(key: str) -> int:
    """A line of Linux's /proc/self/status in bytes: VmSize, VmRSS, or VmHWM, the peak of the latter."""
    match = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii", errors="ignore"))
    assert match is not None
    return int(match[1]) * 1024
