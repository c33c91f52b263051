"""Unpack downloaded archives (.tar.gz, .zip) safely; after an interruption, run it again to resume.

All archives are checked first. Damaged or unsafe ones are reported and skipped; the others are unpacked.
"""

import argparse
import sys
from pathlib import Path

from lib.anovox.download.archives import Unpacked, unpack
from lib.anovox.download.packed import readable_size
from lib.common.errors import DataError, run_stage
from lib.common.terminal import log


def main() -> None:
    """Unpack and log a summary; exits with status 1 if an archive was refused."""
    parser = argparse.ArgumentParser(prog="python -m tools.unpack", description=__doc__)
    parser.add_argument("archives", type=Path, nargs="+", metavar="ARCHIVE", help=".tar.gz or .zip")
    parser.add_argument("root", type=Path, metavar="DATA_ROOT", help="folder to unpack to; created if missing")
    args = parser.parse_args()
    refused: list[DataError] = []
    try:
        done = unpack(args.archives, args.root, refused.append)
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to resume", file=sys.stderr)
        sys.exit(130)
    finally:
        for error in refused:
            log(f"error: {error}", sys.stderr)
    if done.files or done.files_before:
        log(_summary(done, args.root))
    if refused:
        if (archives := len(set(args.archives))) > 1:
            log(f"error: {done.refused} of {archives} archives refused, for the reasons above", sys.stderr)
        sys.exit(1)


def _summary(done: Unpacked, root: Path) -> str:
    if not done.files:
        return f"nothing to do: all {done.files_before:,} files are already in {root}"
    before = f"; {done.files_before:,} existed already" if done.files_before else ""
    files = "1 file" if done.files == 1 else f"{done.files:,} files"
    return f"{files} ({readable_size(done.num_bytes)}) unpacked to {root}{before}"


if __name__ == "__main__":
    run_stage(main)
