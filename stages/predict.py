"""Score the test scenarios, and validation frames for calibration: data/shards + weights -> data/predictions."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from lib.common.cache import Cache, cache, code_fingerprint, file_digest, fingerprint, store
from lib.common.errors import DataError, run_stage
from lib.common.outputs import atomic_folder
from lib.common.params import ExecutionParams, Sections, load_params
from lib.common.paths import PREDICTIONS, SHARDS, TRACKS, VALIDATION_SCORES, WEIGHTS
from lib.common.terminal import log
from lib.common.ticks import SINGLE_FRAME
from lib.common.workers import available_cores
from lib.inference.calibration_set import matched_outside, score_validation, validation_set
from lib.inference.predict_params import PredictParams
from lib.inference.scores import also_without_image, for_sensors
from lib.inference.shard_scoring import Scoring, predictions_of
from lib.inference.threads import Threads
from lib.loading.shard_windows import windows_of
from lib.model.devices import choose_device, choose_precision
from lib.model.model_file import check_unseen, load_detector
from lib.model.weights_file import model_fingerprint
from lib.shards.index import SHARD_FILES, ShardEntry, open_entry, read_index
from lib.shards.predictions import Predictions, write_predictions
from lib.shards.split import assign_splits
from lib.shards.split_params import SplitParams
from lib.shards.validation_scores import write_validation


class Params(Sections):
    """Sections of params.yaml that the stage reads."""

    split: SplitParams
    predict: PredictParams
    execution: ExecutionParams


def main() -> None:
    """Run the stage."""
    params = load_params(Params)
    device = choose_device(params.execution.device)
    precision = choose_precision(params.predict.precision, device)
    detector = load_detector(WEIGHTS).to(device).eval()
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    test = _test_entries(params)
    scorer = also_without_image(detector, detector.config.fuses, params.predict)
    predicting = for_sensors(params.predict, detector.config.fusion)
    validation = validation_set(SHARDS, params.split, TRACKS, detector.config.window)
    raw = Scoring(scorer, detector.config.grid(), predicting, device, precision)
    model, cached = model_fingerprint(WEIGHTS), cache("predict")
    with Threads((params.execution.workers or available_cores()) if device.type == "cpu" else 1) as threads:
        scoring = matched_outside(raw, validation, threads)
        if scoring.outside_shift:
            log(f"points outside the image: scores {scoring.outside_shift:+.3f} (predict.outside_false_alarms)")
        made_from = model, params.predict.model_dump(mode="json"), scoring.outside_shift
        how = device.type, precision, code_fingerprint("predict")
        window = detector.config.window
        keys = {entry.file: fingerprint(*made_from, *how, entry.file, *_read(entry, window)) for entry in test}
        with atomic_folder(PREDICTIONS, (SHARD_FILES,)) as folder:
            reused = _score_test(partial(predict_shard, scoring, model, window), test, folder, cached, keys, threads)
            write_validation(VALIDATION_SCORES, score_validation(scoring, validation, model, threads))
    cached.discard(keys.values())
    if reused:
        log(f"{reused} of {len(test)} shards were scored by a run that was interrupted ({store()})")


def _test_entries(params: Params) -> list[ShardEntry]:
    """The shards of the test; raises DataError if there are none, or if the model was trained on one."""
    entries = read_index(SHARDS)
    splits = assign_splits(entries, params.split)
    test = [entry for entry in entries if splits[entry.scenario] == "test"]
    if not test:
        raise DataError(f"{SHARDS}: no scenario is left to test on; raise split.test_fraction or add more scenarios")
    check_unseen(WEIGHTS, {entry.scenario for entry in test})
    return test


def _score_test(
    predict: Callable[[ShardEntry], Predictions],
    test: Sequence[ShardEntry],
    folder: Path,
    cached: Cache,
    keys: Mapping[str, str],
    threads: Threads,
) -> int:
    """Write the predictions into the folder, reusing those of an interrupted run; returns the number reused."""
    missing = [entry for entry in test if cached.take(keys[entry.file], folder) is None]
    frames = sum(entry.frames for entry in test)
    with tqdm(total=frames, unit="frame", desc="predict") as progress:
        progress.update(frames - sum(entry.frames for entry in missing))
        for entry, predictions in zip(missing, threads.map(predict, missing), strict=True):
            write_predictions(folder / entry.file, predictions)
            cached.put(keys[entry.file], [folder / entry.file], entry.scenario)
            progress.update(entry.frames)
    return len(test) - len(missing)


def _read(entry: ShardEntry, window: tuple[int, ...]) -> tuple[str | None, ...]:
    """Fingerprints of what is read to score a shard."""
    shard, tracks = open_entry(SHARDS, entry, verify=False).fingerprint, TRACKS / entry.file
    return shard, file_digest(tracks) if window != SINGLE_FRAME and tracks.exists() else None


def predict_shard(scoring: Scoring, model: str, window: tuple[int, ...], entry: ShardEntry) -> Predictions:
    """Score a shard's frames; on the CPU the result does not depend on the number of threads."""
    shard = open_entry(SHARDS, entry)
    return predictions_of(scoring, shard, model, windows_of([shard], window, TRACKS))


if __name__ == "__main__":
    run_stage(main)
