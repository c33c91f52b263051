"""Damage real files of every kind and show them to their readers: only errors of ours may come out."""

import argparse
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from lib.common.errors import DataError, run_stage
from lib.common.outputs import write_text
from lib.common.terminal import log, readable
from lib.common.workers import available_cores
from tests.all_params import all_params
from tests.fuzz.campaign import Record, chunks_of, elapsed, run_campaign
from tests.fuzz.corpus import make_corpus
from tests.fuzz.report import campaign_page
from tests.fuzz.targets import TARGETS
from tests.fuzz.worker import Job

PARAMS = Path("params.yaml")


def main() -> None:
    """Try all inputs, print what came of each kind of file, and exit with status 1 unless all went well."""
    args = _arguments()
    params = all_params(PARAMS)
    start = time.monotonic()
    chosen = args.targets or TARGETS
    with TemporaryDirectory(prefix="corpus-") as folder:
        corpus = Path(folder)
        make_corpus(corpus, params.simulate, params.preprocess, PARAMS)
        inputs = chunks_of(args.inputs, chosen)
        jobs = [Job(name, corpus, args.seed, 0, inputs[name], args.keep) for name in chosen]
        records = run_campaign(jobs, args.workers or available_cores(), _say)
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("numpy", "pillow", "h5py", "pypcd4", "safetensors", "PyYAML")
    )
    page = campaign_page(
        records, args.inputs, args.seed, elapsed(start), f"Python {platform.python_version()}, {libraries}"
    )
    if args.record is not None:
        write_text(args.record, page)
    bad = [record.target for record in records if not record.clean]
    if bad:
        raise DataError(
            f"{', '.join(bad)}: something else than an error of ours came out, as said above; mend the readers"
        )
    log(f"{sum(record.inputs for record in records):,} inputs: only errors of ours")


def _say(record: Record) -> None:
    log(
        f"{record.target:14} {record.inputs:7,} inputs: {record.refused:7,} refused, {record.read:6,} read, "
        f"{record.unclear} unclear, {record.crashes} crashes, {record.hangs} hangs, "
        f"worst {record.worst_seconds:.2f} s, {record.peak_bytes / 1e6:.0f} MB"
    )
    for failure in record.failures:
        log(f"    {failure}", sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=3_000, help="damaged files in all (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other damage (%(default)s)")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0 = one per core (%(default)s)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="write the numbers as a page, docs/fuzzing.md")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write there the inputs that went wrong")
    parser.add_argument("targets", nargs="*", metavar="KIND", help=f"kinds of files: {', '.join(TARGETS)} (all)")
    args = parser.parse_args()
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"no such kind: {readable(', '.join(sorted(unknown)))}; there are {', '.join(TARGETS)}")
    return args


if __name__ == "__main__":
    run_stage(main)
