"""Compare all values of `predict.score` and `predict.frame_score` for the trained detector, on validation only.

Pseudo-anomalies are pasted into the validation frames, several times with other seeds. Of the test split, only digests
are read.
"""

import argparse
from pathlib import Path

from lib.common.errors import run_stage
from lib.common.params import DataParams, ExecutionParams, Sections, load_params
from lib.common.paths import SHARDS, WEIGHTS
from lib.common.terminal import log
from lib.common.workers import available_cores
from lib.evaluation.evaluate_params import EvaluateParams
from lib.inference.predict_params import PredictParams
from lib.inference.threads import Threads
from lib.model.devices import choose_device, choose_precision
from lib.model.model_file import load_detector
from lib.shards.split_params import SplitParams
from lib.study.score_choice import Trial, compare_scores, table
from lib.training.train_params import TrainParams
from lib.training.training_frames import training_set


class Params(Sections):
    """Sections of params.yaml that the command reads."""

    data: DataParams
    split: SplitParams
    train: TrainParams
    predict: PredictParams
    evaluate: EvaluateParams
    execution: ExecutionParams


def main() -> None:
    """Score the validation frames and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare_scores", description=__doc__)
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="default: %(default)s")
    parser.add_argument("--shards", type=Path, default=SHARDS, help="default: %(default)s")
    parser.add_argument("--repeats", type=int, default=5, help="times that every frame is scored; default: %(default)s")
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error("--repeats must be 1 or more")
    params = load_params(Params)
    device = choose_device(params.execution.device)
    precision = choose_precision(params.predict.precision, device)
    detector = load_detector(args.model).to(device).eval()
    data = training_set(args.shards, params.split, params.data.root)
    slots = params.train.pseudo_anomalies_per_frame
    trial = Trial(slots, args.repeats, params.predict, params.evaluate, device, precision)
    cores = params.execution.workers or available_cores()
    with Threads(cores if device.type == "cpu" else 1) as threads:
        rows = compare_scores(detector, data, trial, threads)
    log(f"{len(data.validation)} validation frames, scored {args.repeats} times; {args.model}")
    print(table(rows))


if __name__ == "__main__":
    run_stage(main)
