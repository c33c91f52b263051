"""Baselines from the literature on the pipeline's data: trained or fitted on its training split, tested on its test.

For each set of sensors, the detector's network is trained as a semantic segmentation of the normal classes, with the
pipeline's recipe and budget. Its anomaly scores are max-softmax, energy, Mahalanobis distance, and the distance to the
nearest neighbour in its own frozen features (no ImageNet weights: nothing is downloaded).
"""

import argparse
import logging
from pathlib import Path
from typing import Final, get_args

from lib.baselines.baseline_runs import BaselineParams, Method, Sensors, run_baselines
from lib.common.errors import run_stage
from lib.common.outputs import write_json
from lib.common.params import load_params
from lib.common.paths import BASELINES, SHARDS
from lib.common.terminal import log, log_to_stderr

LEVELS: Final = ("frame", "point", "voxel")


def main() -> None:
    """Run the chosen baselines and write their metrics."""
    parser = argparse.ArgumentParser(prog="python -m tools.baselines", description=__doc__)
    parser.add_argument("--sensors", nargs="+", choices=get_args(Sensors), default=get_args(Sensors))
    parser.add_argument("--methods", nargs="+", choices=get_args(Method), default=get_args(Method))
    parser.add_argument("--shards", type=Path, default=SHARDS, help="default: %(default)s")
    parser.add_argument("--predictions", type=Path, default=BASELINES, help="default: %(default)s")
    parser.add_argument("--metrics", type=Path, default=BASELINES / "metrics.json", help="default: %(default)s")
    args = parser.parse_args()
    log_to_stderr("%(message)s", logging.INFO)
    params = load_params(BaselineParams)
    metrics = {}
    for sensors in args.sensors:
        metrics[sensors] = run_baselines(args.shards, args.predictions, sensors, tuple(args.methods), params)
        write_json(args.metrics, metrics)
        for method, block in metrics[sensors].items():
            numbers = (f"{level} {block[level]['auroc']:.3f}" for level in LEVELS if level in block)
            log(f"{sensors} {method}: AUROC {', '.join(numbers)}")
    log(f"wrote {args.metrics}")


if __name__ == "__main__":
    run_stage(main)
