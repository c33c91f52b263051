"""Draw a sheet of the pseudo-anomalies that training and validation paste into frames of data/shards, by kind."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lib.common.errors import run_stage
from lib.common.outputs import atomic_file
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import SHARDS, TABLES, TRACKS
from lib.common.terminal import log
from lib.common.ticks import SINGLE_FRAME
from lib.figures.plot_params import PlotParams
from lib.figures.pseudo_anomaly_sheet import draw_pasted
from lib.figures.style import house_style, save
from lib.inference.calibration_set import ValidationSet, validation_set
from lib.loading.dataset import FrameRef, batches
from lib.loading.shard_windows import fastest_mps
from lib.model.devices import choose_device
from lib.model.model_params import ModelParams
from lib.shards.split_params import SplitParams
from lib.synthesis.examples import examples
from lib.synthesis.retimed_examples import RetimedExample, retimed_examples
from lib.training.training_setup import detector_config, range_grid
from lib.views.range_view import RangeGrid, make_views

FRAMES = 24
RETIMED_FRAMES = 48


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
    tracks = "of the shards, for model.window with a past; default: beside them"
    parser.add_argument("--tracks", type=Path, help=tracks)
    parser.add_argument(
        "--output", type=Path, default=TABLES / "pseudo_anomalies.png", help="a PNG; default: %(default)s"
    )
    parser.add_argument("--each", type=int, default=2, help="examples per kind and family; default: %(default)s")
    args = parser.parse_args()
    if not 1 <= args.each <= FRAMES:
        parser.error(f"--each must be 1 to {FRAMES}")
    params = load_params(Params)
    tracks_folder = args.tracks or args.shards.parent / TRACKS.name
    found = validation_set(args.shards, params.split, tracks_folder, params.model.window)
    shards, refs = found.shards, found.frames
    chosen = _spread(refs, FRAMES)
    config = detector_config(params.model, shards)
    grid = range_grid(config, shards[0])
    device = choose_device(params.execution.device)
    views, _ = make_views(next(iter(batches(shards, chosen, FRAMES, device))), grid)
    retimed = _retimed(found, grid, args.each, device) if params.model.window != SINGLE_FRAME else []
    with house_style(), atomic_file(args.output) as partial:
        save(draw_pasted(list(examples(views, grid, args.each)), retimed), partial, params.plot.dpi)
    log(f"wrote {args.output}")


def _retimed(found: ValidationSet, grid: RangeGrid, each: int, device: torch.device) -> list[RetimedExample]:
    """Examples of vehicles whose past is edited; none where no vehicle is followed."""
    assert found.windows is not None
    followed = [ref for ref in found.frames if np.isfinite(found.windows[ref.shard].places_m(ref.index)).all()]
    if not followed:
        log("no vehicle ahead is followed for a second in the validation frames, so no re-timed one is shown")
        return []
    chosen = _spread(followed, RETIMED_FRAMES)
    batch = next(iter(batches(found.shards, chosen, RETIMED_FRAMES, device, found.windows)))
    return list(retimed_examples(batch, grid, fastest_mps(found.windows), each))


def _spread(refs: Sequence[FrameRef], most: int) -> list[FrameRef]:
    """At most so many frames, spread evenly."""
    return [refs[i] for i in np.unique(np.linspace(0, len(refs) - 1, most).round().astype(int))]


if __name__ == "__main__":
    run_stage(main)
