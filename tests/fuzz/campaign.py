"""Many damaged files, each seen by the readers of its kind in a process that may crash, hang or ask for too much."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Final

from tests.fuzz.targets import make_target
from tests.fuzz.worker import Job, Trial, keep_input, work

SECONDS_PER_INPUT: Final = 60.0
SECONDS_TO_START: Final = 120.0
FAILURES_KEPT: Final = 20
SLOW: Final = ("model", "zip", "tar_gz")


@dataclass(frozen=True)
class Record:
    """What came of a target's inputs: how many were refused with an error of ours, and all that must never come.

    `read`: taken for sound, as much damage cannot be told from data. `worst_seconds`: processor time of one input;
    `peak_bytes`: memory beyond what the process held before its first input.
    """

    target: str
    inputs: int = 0
    refused: int = 0
    read: int = 0
    unclear: int = 0
    crashes: int = 0
    hangs: int = 0
    worst_seconds: float = 0.0
    peak_bytes: int = 0
    failures: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Say whether nothing came out but errors of ours."""
        return not self.unclear and not self.crashes and not self.hangs

    def __add__(self, trial: Trial) -> "Record":
        failure = (f"input {trial.index}: {trial.unclear}",) if trial.unclear else ()
        return replace(
            self,
            inputs=self.inputs + 1,
            refused=self.refused + trial.refused,
            read=self.read + (not trial.refused and not trial.unclear),
            unclear=self.unclear + bool(trial.unclear),
            worst_seconds=max(self.worst_seconds, trial.seconds),
            peak_bytes=max(self.peak_bytes, trial.peak_bytes),
            failures=(self.failures + failure)[:FAILURES_KEPT],
        )


def run_campaign(jobs: list[Job], workers: int, report: Callable[[Record], None]) -> list[Record]:
    """Try all inputs of all jobs, `workers` processes at a time; `report` gets each target's record when it is done."""

    def run(job: Job) -> Record:
        record = _run(job)
        report(record)
        return record

    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(run, jobs))


def _run(job: Job) -> Record:
    record, first = Record(job.target), job.first
    while first < job.last:
        for trial in _trials(replace(job, first=first)):
            if isinstance(trial, Trial):
                record, first = record + trial, trial.index + 1
                continue
            hung = trial == "hung"
            record = replace(
                record,
                inputs=record.inputs + 1,
                crashes=record.crashes + (not hung),
                hangs=record.hangs + hung,
                failures=(*record.failures, f"input {first}: the process {trial}")[:FAILURES_KEPT],
            )
            if job.keep is not None:
                keep_input(job, make_target(job.target, job.corpus), first)
            first += 1
    return record


def _trials(job: Job) -> Iterator[Trial | str]:
    """Each trial of a new process; then, unless it tried all, how the process ended: by the input after the last."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(job, theirs))
    process.start()
    theirs.close()
    expected, limit = job.first, SECONDS_TO_START
    try:
        while expected < job.last:
            if not ours.poll(limit):
                yield "hung"
                return
            try:
                trial = ours.recv()
            except EOFError:
                process.join()
                if expected == job.first and process.exitcode == 1:
                    raise RuntimeError(f"fuzzing of {job.target} could not start; see the traceback above") from None
                yield f"ended with status {process.exitcode}"
                return
            expected, limit = trial.index + 1, SECONDS_PER_INPUT
            yield trial
    finally:
        process.kill() if expected < job.last else process.join(SECONDS_PER_INPUT)
        process.join()


def chunks_of(total: int, targets: Sequence[str]) -> dict[str, int]:
    """So many inputs for each target, `total` or a few more together; fewer for those whose inputs take long."""
    weights = {name: 1 if name in SLOW else 3 for name in targets}
    whole = sum(weights.values())
    return {name: -(-total * weight // whole) for name, weight in weights.items()}


def elapsed(start: float) -> str:
    """Minutes and seconds since `start` (time.monotonic)."""
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    return f"{minutes} min {seconds} s"
