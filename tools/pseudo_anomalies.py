"""Draw a sheet of the pseudo-anomalies that training and validation paste into frames of data/shards, by kind."""

import argparse
from pathlib import Path

import numpy as np

from lib.common.errors import run_stage
from lib.common.outputs import atomic_file
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import SHARDS, TABLES
from lib.common.terminal import log
from lib.figures.plot_params import PlotParams
from lib.figures.pseudo_anomaly_sheet import draw_pasted
from lib.figures.style import house_style, save
from lib.inference.calibration_set import validation_set
from lib.loading.dataset import FrameRef, batches
from lib.model.devices import choose_device
from lib.model.model_params import ModelParams
from lib.shards.split_params import SplitParams
from lib.synthesis.examples import examples
from lib.training.training_setup import detector_config, range_grid
from lib.views.range_view import make_views

FRAMES = 24


class Params(Sections):
    """Sections of params.yaml that the command reads."""

    split: SplitParams
    model: ModelParams
    plot: PlotParams
    execution: ExecutionParams


def main() -> None:
    """Paste examples, draw the sheet, and log its path."""
    parser = argparse.ArgumentParser(prog="python -m tools.pseudo_anomalies", description=__doc__)
    parser.add_argument("--shards", type=Path, default=SHARDS, help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=TABLES / "pseudo_anomalies.png", help="a PNG; default: %(default)s"
    )
    parser.add_argument("--each", type=int, default=2, help="examples per kind and family; default: %(default)s")
    args = parser.parse_args()
    if not 1 <= args.each <= FRAMES:
        parser.error(f"--each must be 1 to {FRAMES}")
    params = load_params(Params)
    found = validation_set(args.shards, params.split)
    shards, refs = found.shards, found.frames
    chosen: list[FrameRef] = [refs[i] for i in np.unique(np.linspace(0, len(refs) - 1, FRAMES).round().astype(int))]
    config = detector_config(params.model, shards)
    grid = range_grid(config, shards[0])
    views, _ = make_views(next(iter(batches(shards, chosen, FRAMES, choose_device(params.execution.device)))), grid)
    with house_style(), atomic_file(args.output) as partial:
        save(draw_pasted(list(examples(views, grid, args.each))), partial, params.plot.dpi)
    log(f"wrote {args.output}")


if __name__ == "__main__":
    run_stage(main)
