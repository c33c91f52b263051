"""Score every point, pixel and frame of the test scenarios: data/shards + model -> data/predictions."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lib.batches.frames import FrameRef, batches
from lib.batches.views import make_views
from lib.errors import DataError, run_stage
from lib.model.detector import Detector
from lib.model.scores import Scores, judge_both_ways, scores_of
from lib.outputs import whole_folder
from lib.params import PredictParams, load_params
from lib.shards.index import read_index
from lib.shards.predictions import Predictions, write_predictions
from lib.shards.reader import Shard, read_shard
from lib.shards.split import assign_splits
from lib.training.checkpoints import fingerprint, load_detector
from lib.training.devices import Precision, autocast, choose_device, choose_precision
from lib.training.parallel import Threads
from lib.workers import available_cores

SHARDS = Path("data/shards")
MODEL = Path("models/detector.safetensors")
PREDICTIONS = Path("data/predictions")


def main() -> None:
    """Run the stage."""
    params = load_params()
    device = choose_device(params.execution.device)
    precision = choose_precision(params.predict.precision, device)
    detector = load_detector(MODEL).to(device).eval()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    entries = read_index(SHARDS)
    splits = assign_splits(entries, params.split)
    test = [entry for entry in entries if splits[entry.scenario] == "test"]
    if not test:
        raise DataError(f"{SHARDS}: no scenario is left to test on; raise split.test_fraction or give more scenarios")
    frames = sum(entry.frames for entry in test)
    cores = params.execution.workers or available_cores()
    predict = partial(predict_shard, detector, fingerprint(MODEL), params.predict, device, precision)
    with (
        whole_folder(PREDICTIONS) as folder,
        Threads(cores if device.type == "cpu" else 1) as threads,
        tqdm(total=frames, unit="frame", desc="predict") as progress,
    ):
        for entry, predictions in zip(test, threads.map(predict, (SHARDS / e.file for e in test)), strict=True):
            write_predictions(folder / entry.file, predictions)
            progress.update(entry.frames)


def predict_shard(
    detector: Detector,
    model_fingerprint: str,
    params: PredictParams,
    device: torch.device,
    precision: Precision,
    path: Path,
) -> Predictions:
    """Score a shard's frames; on the CPU the same whatever else runs beside it."""
    shard = read_shard(path)
    scores = score_shard(detector, shard, params, device, precision)
    return Predictions(
        scenario=shard.scenario,
        frame_id=np.asarray(shard.frame_id),
        num_points=np.asarray(shard.num_points),
        point_score=scores.point_BP.numpy(),
        pixel_score=scores.pixel_BHW.numpy(),
        frame_score=scores.frame_B.numpy(),
        shard_fingerprint=shard.fingerprint,
        model_fingerprint=model_fingerprint,
    )


@torch.inference_mode()
def score_shard(
    detector: Detector, shard: Shard, params: PredictParams, device: torch.device, precision: Precision
) -> Scores:
    """Scores of all frames of a shard, on the CPU."""
    grid = detector.config.grid()
    parts: list[Scores] = []
    refs = [FrameRef(0, index) for index in range(len(shard.frame_id))]
    for batch in batches([shard], refs, params.batch_size, device):
        views, cell_BP = make_views(batch, grid)
        with autocast(device, precision):
            detections = judge_both_ways(detector, views)
        scores = scores_of(detections, views, cell_BP, params.frame_top_points)
        parts.append(Scores(scores.point_BP.cpu(), scores.pixel_BHW.cpu(), scores.frame_B.cpu()))
    return Scores(
        torch.cat([part.point_BP for part in parts]),
        torch.cat([part.pixel_BHW for part in parts]),
        torch.cat([part.frame_B for part in parts]),
    )


if __name__ == "__main__":
    run_stage(main)
