"""Write missing VOXEL_GRID files of a download, computed from its other sensors as by AnoVox's own script."""

import argparse
import sys
from pathlib import Path

from lib.anovox.download.voxelizing import voxelize_data_set
from lib.common.errors import DataError, ParamsError, run_stage
from lib.common.terminal import log
from lib.geometry.voxels import VOXEL_SIZE_M


def main() -> None:
    """Voxelize and log a summary."""
    args = _arguments()
    if not 0.01 <= args.resolution <= 100:
        raise ParamsError(f"--resolution: got {args.resolution}; give a voxel size from 0.01 to 100 m, such as 0.5")
    if args.workers < 0:
        raise ParamsError(f"--workers: got {args.workers}; give a number of processes, or 0 for one per core")
    if args.resolution != VOXEL_SIZE_M and args.output is None:
        raise ParamsError(
            f"--resolution {args.resolution:g}: give --output too, because readers of the grids in {args.root} "
            f"assume voxels of {VOXEL_SIZE_M} m"
        )
    done = voxelize_data_set(args.root, args.output, args.resolution, args.workers, _log)
    written, before = sum(s.written for s in done), sum(s.before for s in done)
    left_out = sum(len(s.left_out) for s in done)
    if not written + before:
        raise DataError(f"{args.root}: no grid could be computed; the messages above say why")
    log(
        f"{written:,} voxel grids written to {args.output or args.root}; {before:,} existed already"
        + (f"; {left_out:,} frames or scenarios left out, see the messages above" if left_out else "")
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.voxelize", description=__doc__)
    parser.add_argument("root", type=Path, metavar="DATA_ROOT", help="folder with Scenario_* folders at any depth")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write to DIR/Scenario_*/VOXEL_GRID, not into the scenarios"
    )
    parser.add_argument(
        "--resolution", type=float, default=VOXEL_SIZE_M, metavar="M", help="size of a voxel in metres (0.5)"
    )
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="processes (0: one per core)")
    return parser.parse_args()


def _log(message: str) -> None:
    log(message, sys.stderr)


if __name__ == "__main__":
    run_stage(main)
