"""Unpack downloaded archives (.tar.gz, .zip) safely; run again after an interruption, it goes on where it stopped."""

import argparse
import sys
from pathlib import Path

from lib.anovox.archives import unpack
from lib.anovox.packed import readable_size
from lib.errors import run_stage


def main() -> None:
    """Unpack and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m tools.unpack", description=__doc__)
    parser.add_argument("archives", type=Path, nargs="+", metavar="ARCHIVE", help=".tar.gz or .zip")
    parser.add_argument("root", type=Path, metavar="DATA_ROOT", help="folder to unpack to; made if need be")
    args = parser.parse_args()
    try:
        done = unpack(args.archives, args.root)
    except KeyboardInterrupt:
        print("\ninterrupted: run the same command again to go on", file=sys.stderr)
        sys.exit(130)
    if done.files:
        before = f"; {done.files_before:,} were there already" if done.files_before else ""
        files = "1 file" if done.files == 1 else f"{done.files:,} files"
        print(f"{files} ({readable_size(done.num_bytes)}) unpacked to {args.root}{before}")
    else:
        print(f"nothing to do: all {done.files_before:,} files are in {args.root} already")


if __name__ == "__main__":
    run_stage(main)
