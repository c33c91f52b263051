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

from lib.fuzzing.mutations import mutated
from lib.fuzzing.targets import OURS, Target, make_target, read_all

MEMORY_BYTES: Final = 1 << 30
"""What a reader may ask for beyond what its process holds when it starts."""
_LIB: Final = Path(__file__).parents[1]


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
    return mutated(target.seeds, target.lies, generator)


def work(job: Job, channel: Connection) -> None:
    """Try the job's inputs and send a Trial after each; a crash ends the process, which the other end sees."""
    warnings.simplefilter("error")
    target = make_target(job.target, job.corpus)
    with TemporaryDirectory(prefix="fuzz-") as folder:
        path = Path(folder) / target.file
        for seed in target.seeds:  # what readers load once and keep is no input's fault
            path.write_bytes(seed)
            read_all(target, path)
        held = int(re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, held + MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        before = _peak_bytes()
        for index in range(job.first, job.last):
            path.write_bytes(input_bytes(target, job.seed, index))
            start = time.perf_counter()
            refused, unclear = _try(target, path)
            seconds = time.perf_counter() - start
            if unclear and job.keep is not None:
                keep_input(job, target, index)
            channel.send(Trial(index, refused, seconds, max(0, _peak_bytes() - before), unclear))
    channel.close()


def keep_input(job: Job, target: Target, index: int) -> None:
    """Write an input that went wrong to the job's folder."""
    assert job.keep is not None
    job.keep.mkdir(parents=True, exist_ok=True)
    (job.keep / f"{target.name}-{job.seed}-{index}-{target.file}").write_bytes(input_bytes(target, job.seed, index))


def _try(target: Target, path: Path) -> tuple[bool, str]:
    try:
        return read_all(target, path), ""
    except OURS:
        raise
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(_LIB))][-1]
        where = f"{Path(place.filename).name}:{place.lineno}, from {Path(ours.filename).name}:{ours.lineno}"
        return False, f"{type(error).__name__}: {' '.join(str(error).split())[:200]} ({where})"


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
