"""Score recordings of any camera and LiDAR with a trained detector: per point, pixel and frame, with pictures."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final, get_args

from tqdm import tqdm

from lib.common.errors import DataError, Stopped, run_stage
from lib.common.outputs import exclusive_lock, write_json
from lib.common.params import DataFormat
from lib.common.paths import MODEL
from lib.common.stopping import Asked, stop_requests
from lib.common.terminal import log
from lib.common.workers import available_cores
from lib.detection.anomaly_detector import FALSE_ALARMS, AnomalyDetector, load
from lib.detection.detection_files import Row, parquet_library, write_recording, write_table
from lib.detection.scored_recordings import Recordings, ScoredFrame, find_all, score_recording, sensor_differences
from lib.export.score_levels import LEVELS, RATES
from lib.inference.threads import Threads
from lib.reading.recorded_frames import Recording

SHOWN: Final = 20
"""So many failures are listed; summary.json has all."""


def main() -> None:
    """Score the recordings and write the output folder."""
    args = _arguments()
    if args.table == "parquet":
        parquet_library()
    detector = load(args.model, args.device, args.false_alarms)
    found = find_all(args.input, args.format, _sensors(detector))
    if not found.openers:
        raise DataError("; ".join(found.failures))
    with exclusive_lock(args.output), stop_requests() as asked:
        recordings = _named_once(found)
        differences = sensor_differences(detector, recordings)
        with Threads(1 if detector.device.type == "cuda" else available_cores()) as threads:
            if args.normal:
                detector = _with_normal(detector, args, threads, asked)
            else:
                _warn(differences)
            _say_thresholds(detector)
            rows = _detect(detector, recordings, found, args, threads, asked)
        write_table(args.output / f"detections.{args.table}", rows)
        write_json(args.output / "summary.json", _summary(detector, found, rows, differences, args))
    _finish(detector, found, rows, args.output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.detect", description=__doc__)
    parser.add_argument("input", type=Path, nargs="+", metavar="INPUT", help="a folder of recordings (docs/sensors.md)")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a folder for the results")
    parser.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help="default: %(default)s")
    parser.add_argument("--format", choices=get_args(DataFormat), help="of the inputs; default: what they look like")
    normal = "normal frames of the same sensors, by which thresholds are chosen; default: those of the model file"
    parser.add_argument("--normal", type=Path, metavar="FOLDER", help=normal)
    rate = "share of normal frames, points and pixels that may be alarms; default: %(default)s"
    parser.add_argument("--false-alarms", type=float, choices=RATES, default=FALSE_ALARMS, help=rate)
    parser.add_argument("--table", choices=("csv", "parquet"), default="csv", help="default: %(default)s")
    parser.add_argument("--no-pictures", dest="pictures", action="store_false", help="neither pictures nor videos")
    parser.add_argument("--no-video", dest="video", action="store_false", help="no videos")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    return parser.parse_args()


def _sensors(detector: AnomalyDetector) -> Any:
    """Which of AnoVox's sensors the detector was trained on; other formats have one camera and one LiDAR."""
    preprocess = detector.record.params.get("preprocess")
    return preprocess.get("sensors", "forward") if isinstance(preprocess, dict) else "forward"


def _named_once(found: Recordings) -> list[Recording]:
    """The recordings that can be opened; of several with one name, the first."""
    recordings: dict[str, Recording] = {}
    for recording in found.opened():
        first = recordings.setdefault(recording.name, recording)
        if first is not recording:
            found.failures.append(f"{recording.path}: {first.path} has the same name, {recording.name}; rename one")
    return list(recordings.values())


def _with_normal(
    detector: AnomalyDetector, args: argparse.Namespace, threads: Threads, asked: Asked
) -> AnomalyDetector:
    """The detector with thresholds from normal recordings; raises DataError if no frame can be scored."""
    normal = find_all([args.normal], args.format, _sensors(detector))
    recordings = list(normal.opened())
    with _progress(recordings, "normal", asked) as progress:
        detector = detector.with_thresholds_of(
            item.detections
            for recording in recordings
            for item in progress(score_recording(detector, recording, threads, normal.failures, normal.notes))
        )
    if not detector.levels["frame"].normal_items:
        raise DataError(f"{args.normal}: no normal frame can be scored: {'; '.join(normal.failures[:3])}")
    for failure in normal.failures:
        log(f"left out of the normal frames: {failure}")
    for note in normal.notes[:SHOWN]:
        log(f"noticed in the normal frames: {note}")
    return detector


def _warn(differences: list[str]) -> None:
    """Say how the inputs differ from the training data, for thresholds are of that."""
    log("Thresholds come from the validation frames of the training. For other sensors or roads, give normal frames of")
    log("your own (--normal FOLDER): rates of false alarms hold only for data like those that set the thresholds.")
    if differences:
        log("These inputs differ from the training data:")
        for sentence in differences:
            log(f"  - {sentence}")


def _say_thresholds(detector: AnomalyDetector) -> None:
    for level in LEVELS:
        found, items = detector.levels[level].threshold(detector.false_alarms), detector.levels[level].normal_items
        if found is None:
            log(f"{level}: no threshold; {items} normal ones are too few for any rate of false alarms")
        elif found.false_alarm_rate != detector.false_alarms:
            rates = f"{found.false_alarm_rate:.1%} of false alarms, not {detector.false_alarms:.1%}"
            log(f"{level}: the threshold {found.score:.3f} is for {rates}: {items} normal ones are too few")
        else:
            log(f"{level}: the threshold {found.score:.3f} is for {found.false_alarm_rate:.1%} of false alarms")


def _detect(
    detector: AnomalyDetector,
    recordings: list[Recording],
    found: Recordings,
    args: argparse.Namespace,
    threads: Threads,
    asked: Asked,
) -> list[Row]:
    """Score and write one recording after another; where one fails, the next goes on."""
    rows: list[Row] = []
    begin = perf_counter()
    with _progress(recordings, "detect", asked) as progress:
        for recording in recordings:
            scored = progress(score_recording(detector, recording, threads, found.failures, found.notes))
            try:
                written, problems = write_recording(args.output, recording, scored, args.pictures, args.video)
            except DataError as error:
                found.failures.append(str(error))
                continue
            rows += written
            found.failures += problems
    log(f"{len(rows)} frames, {len(rows) / (perf_counter() - begin):.1f} frames/s")
    return rows


@contextmanager
def _progress(recordings: list[Recording], name: str, asked: Asked) -> Iterator[Any]:
    """A function that hands scored frames on, counts them on a progress bar, and ends where a signal asks for it."""
    total = sum(len(recording.cloud_sizes) * len(recording.image_sizes) for recording in recordings)
    with tqdm(total=total, unit="frame", desc=name) as bar:

        def counted(scored: Iterator[ScoredFrame]) -> Iterator[ScoredFrame]:
            for item in scored:
                if number := asked():
                    raise Stopped(number, f"by {number.name}; recordings that are finished stay")
                yield item
                bar.update()

        yield counted


def _summary(
    detector: AnomalyDetector, found: Recordings, rows: list[Row], differences: list[str], args: argparse.Namespace
) -> dict[str, Any]:
    thresholds = {level: detector.levels[level].threshold(detector.false_alarms) for level in LEVELS}
    return {
        "model": {"weights": detector.record.weights, "version": detector.record.version},
        "inputs": [str(path) for path in args.input],
        "frames": len(rows),
        "frame_alarms": None if thresholds["frame"] is None else sum(row["frame_alarm"] for row in rows),
        "thresholds_from": "normal frames" if args.normal else "validation frames of the training",
        "thresholds": {
            level: {
                "score": threshold and threshold.score,
                "false_alarm_rate": threshold and threshold.false_alarm_rate,
                "normal_items": detector.levels[level].normal_items,
            }
            for level, threshold in thresholds.items()
        },
        "differences_from_training": differences,
        "failures": found.failures,
        "notes": found.notes,
    }


def _finish(detector: AnomalyDetector, found: Recordings, rows: list[Row], output: Path) -> None:
    """Say what was found; raise DataError if something could not be scored."""
    if detector.thresholds["frame"] is None:
        log(f"which of {len(rows)} frames are alarms is unknown, without a threshold; results: {output}")
    else:
        log(f"{sum(row['frame_alarm'] for row in rows)} of {len(rows)} frames are alarms; results: {output}")
    for row in sorted(rows, key=lambda row: -row["frame_score"])[:3]:
        log(f"  {row['recording']} frame {row['frame_id']}: {row['frame_score']:.2f}")
    for note in found.notes[:SHOWN]:
        log(f"noticed: {note}")
    for failure in found.failures[:SHOWN]:
        log(f"not scored: {failure}")
    if found.failures:
        raise DataError(f"not everything was scored: {len(found.failures)} failures; {output}/summary.json lists them")


if __name__ == "__main__":
    run_stage(main)
