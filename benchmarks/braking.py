"""How well a braking vehicle ahead is found, by the tracker and by what gives the answer away.

`python -m benchmarks.braking --lidar 32 512` simulates drives of both kinds of ego, their twins in which the ego does
not react, and an hour of normal driving, without writing a file; it merges the numbers into benchmarks/braking.json and
renders docs/braking.md. `--boxes FILE` draws the ranges of simulated and real drives: a CSV with the box of the vehicle
ahead in each frame (benchmarks/braking_picture.py describes it).
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt

from benchmarks.braking_drives import FollowedDrive, follow_drive
from benchmarks.braking_frames import Models
from lib.common.errors import ParamsError, run_stage
from lib.common.outputs import write_json, write_text
from lib.common.params import Sections, load_params
from lib.common.terminal import log, log_to_stderr
from lib.common.ticks import TICKS_PER_SECOND
from lib.common.workers import processes, run_tasks
from lib.evaluation.braking import DriveScores, judge_drives
from lib.geometry.frame import ScenarioType
from lib.inference.predict_params import PredictParams
from lib.simulator.driving.drive_plan import Ego
from lib.simulator.scenario_plan import plan_scenarios
from lib.simulator.simulate_params import SimulateParams
from lib.tracking.track_params import TrackParams

RESULTS: Final = Path("benchmarks/braking.json")
PAGE: Final = Path("docs/braking.md")
PICTURE: Final = Path("docs/braking_ranges.png")
FRAMES: Final = 90
HOLD_S: Final = 3.0
FIRST_TEST_SEED: Final = 1000
"""Seeds from here on were not used to develop the tracker."""
_RESAMPLES: Final = 1000
_COLUMNS: Final = (
    *("", "onset AUROC", "with normality", "label", "label held", "before contact", "within 0.6 s", "within 1 s"),
    *("median delay", "onset AUROC, twins"),
)


class Params(Sections):
    """Sections of params.yaml that are used."""

    simulate: SimulateParams
    track: TrackParams
    predict: PredictParams


@dataclass(frozen=True)
class Setting:
    """What is simulated."""

    channels: int
    rays: int
    drives: int
    minutes: float
    hard_stops_per_minute: float
    seed: int

    @property
    def name(self) -> str:
        """Under which the numbers are kept."""
        return f"{self.channels} x {self.rays}, {self.hard_stops_per_minute:g} hard stops a minute"


def main() -> None:
    """Simulate, judge, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.braking", description=__doc__)
    parser.add_argument("--lidar", type=int, nargs=2, default=(32, 512), metavar=("CHANNELS", "RAYS"))
    parser.add_argument(
        "--drives", type=int, default=100, help="with a braking lead, for each ego; default: %(default)s"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="of normal driving; default: %(default)s")
    parser.add_argument("--hard-stops", type=float, default=0.3, help="a minute, in normality; default: %(default)s")
    parser.add_argument("--seed", type=int, default=FIRST_TEST_SEED, help="default: %(default)s")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one per core")
    parser.add_argument("--boxes", type=Path, help="CSV with boxes of the vehicle ahead in real drives")
    parser.add_argument("--save", type=Path, help="keep the drives' scores in this file (.npz)")
    parser.add_argument(
        "--braking-from",
        type=Path,
        help="take the drives with a braking lead from a saved run of the same LiDAR and seed, and simulate normal "
        "driving alone: hard stops are in normality only",
    )
    parser.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="detectors to score the drives with, which are then rendered as images, too (models/weights.safetensors)",
    )
    args = parser.parse_args()
    log_to_stderr("%(levelname)s: %(message)s")
    channels, rays = args.lidar
    setting = Setting(channels, rays, args.drives, args.minutes, args.hard_stops, args.seed)
    params, files = load_params(Params), tuple(_named(each) for each in args.models)
    models = Models(files, params.predict) if files else None
    drives = simulate(setting, params, args.workers, args.braking_from is not None, models)
    if args.braking_from is not None:
        drives += [each for each in _load(args.braking_from) if each.scores.is_dynamic]
    if args.save:
        _save(args.save, drives)
    numbers = {"setting": asdict(setting)} | judged(drives)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results[setting.name] = numbers
    write_json(RESULTS, results)
    write_text(PAGE, page(results))
    if args.boxes:
        # Imported here, because worker processes import this module and do not need matplotlib.
        from benchmarks.braking_picture import real_drives, write_ranges

        write_ranges(PICTURE, drives, real_drives(args.boxes))
    log(f"{setting.name}: written to {RESULTS} and {PAGE}")


def _named(option: str) -> tuple[str, Path]:
    """NAME=FILE of the command line; raises ParamsError where the file is missing or the name is no word."""
    name, _, file = option.partition("=")
    if not name.isidentifier() or not Path(file).is_file():
        raise ParamsError(
            f"--models: got {option!r}; give NAME=FILE of a model file, such as a=models/weights.safetensors"
        )
    return name, Path(file)


def simulate(
    setting: Setting, params: Params, workers: int, normal_only: bool = False, models: Models | None = None
) -> list[FollowedDrive]:
    """All drives of a setting: each ego has its seed, so many drives with a braking lead, and half of the minutes."""
    normal = round(setting.minutes * 60 * TICKS_PER_SECOND / FRAMES / 2)
    found = list[FollowedDrive]()
    for number, ego in enumerate(get_args(Ego)):
        changes = {
            "seed": setting.seed + number,
            "follower_fraction": float(ego == "follower"),
            "dynamic_scenarios": setting.drives,
            "normality_scenarios": normal,
            "anomaly_scenarios": 0,
            "frames_per_scenario": FRAMES,
            "seconds_between_frames": 1 / TICKS_PER_SECOND,
            "hard_stops_per_minute": setting.hard_stops_per_minute,
            "lidar_channels": setting.channels,
            "lidar_rays_per_channel": setting.rays,
            "sensor_set": "mono",
        }
        chosen = SimulateParams.model_validate(params.simulate.model_dump() | changes)
        plans = [plan for plan in plan_scenarios(chosen) if not (normal_only and plan.dynamic)]
        with processes(workers, len(plans)) as pool:
            found += run_tasks(pool, partial(follow_drive, chosen, params.track, models), plans, f"ego: {ego}", "drive")
    return found


def judged(drives: Sequence[FollowedDrive]) -> dict[str, Any]:
    """Each ego's numbers, against all normal driving, and those of its twins."""
    normal = [each.scores for each in drives if not each.scores.is_dynamic]
    blocks: dict[str, Any] = {}
    for ego in get_args(Ego):
        dynamic = [each for each in drives if each.ego == ego and each.scores.is_dynamic]
        originals, twins = [each.scores for each in dynamic], [each.twin for each in dynamic if each.twin is not None]
        block = judge_drives([*originals, *normal], HOLD_S, _RESAMPLES, 1)
        of_twins = judge_drives([*twins, *normal], HOLD_S, _RESAMPLES, 1)
        blocks[ego] = {**block, "twins": {method: of_twins[method]["onset"] for method in originals[0].scores}}
    blocks["tracker_ms"] = float(np.nanmean([each.tracker_ms for each in drives]))
    return {key: _rounded(value) for key, value in blocks.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _save(path: Path, drives: Sequence[FollowedDrive]) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, each in enumerate(drives):
        for name, drive in (("drive", each.scores), ("twin", each.twin)):
            if drive is not None:
                columns = {"labelled": drive.labelled, "contact": drive.contact, **drive.scores}
                arrays |= {f"{number}/{name}/{key}": np.asarray(column) for key, column in columns.items()}
        arrays |= {f"{number}/range_m": each.range_m, f"{number}/closing_mps": each.closing_mps}
        arrays[f"{number}/ego"] = np.array(each.ego)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _load(path: Path, tracker_ms: float = np.nan) -> list[FollowedDrive]:
    """The drives that `_save` kept; how long the tracker took was not kept."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    numbers = sorted({int(key.split("/")[0]) for key in arrays})
    found = []
    for number in numbers:
        scores, twin = (_loaded(number, name, arrays) for name in ("drive", "twin"))
        assert scores is not None
        range_m, closing_mps = arrays[f"{number}/range_m"], arrays[f"{number}/closing_mps"]
        ego: Ego = "follower" if str(arrays[f"{number}/ego"]) == "follower" else "idm"
        found.append(FollowedDrive(ego, scores, twin, range_m, closing_mps, tracker_ms))
    return found


def _loaded(number: int, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> DriveScores | None:
    start = f"{number}/{name}/"
    columns = {key.removeprefix(start): values for key, values in arrays.items() if key.startswith(start)}
    if not columns:
        return None
    labelled, contact = columns.pop("labelled"), columns.pop("contact")
    kind = ScenarioType.DYNAMIC if labelled.any() else ScenarioType.NORMALITY
    time_s = np.arange(len(labelled)) / TICKS_PER_SECOND
    return DriveScores(f"saved {number}", kind, time_s, labelled, contact, columns)


def page(results: Mapping[str, Any]) -> str:
    """docs/braking.md."""
    lines = [_HEAD]
    for name, block in results.items():
        setting = block["setting"]
        lines += [f"## {name}", ""]
        for ego in get_args(Ego):
            lines += [
                f"{_EGOS[ego]}: {block[ego]['drives']} drives, {block[ego]['normal_minutes']:.0f} minutes without "
                "a label.",
                "",
            ]
            lines += ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
            methods = [key for key, value in block[ego].items() if isinstance(value, dict) and key != "twins"]
            lines += ["| " + " | ".join(_cells(method, block[ego])) + " |" for method in methods] + [""]
        lines += [
            f"Seeds {setting['seed']} and {setting['seed'] + 1}. The tracker took {block['tracker_ms']:.1f} ms of the "
            "processor's time for a cloud.",
            "",
        ]
    return "\n".join(lines)


def _cells(method: str, block: Mapping[str, Any]) -> list[str]:
    numbers = block[method]

    def area(name: str) -> str:
        found = numbers.get(name)
        return "" if found is None else f"{found['auroc']:.3f} [{found['auroc_low']:.3f}, {found['auroc_high']:.3f}]"

    def share(name: str) -> str:
        return (
            f"{numbers[name]:.2f} [{numbers[f'{name}_low']:.2f}, {numbers[f'{name}_high']:.2f}]"
            if name in numbers
            else ""
        )

    return [
        method.replace("_", " "),
        area("onset"),
        area("onset_with_normality"),
        area("label"),
        area("label_held"),
        area("label_before_contact"),
        share("detected_within_0_6_s"),
        share("detected_within_1_s"),
        f"{numbers['median_delay_s']:.1f} s" if "median_delay_s" in numbers else "none",
        f"{block['twins'][method]['auroc']:.3f}",
    ]


_EGOS: Final[Mapping[Ego, str]] = {
    "follower": "**AnoVox's ego**, which follows closely and drives into a lead that stops",
    "idm": "**An ego that keeps a distance** (intelligent driver model)",
}
_HEAD: Final = """# Finding a vehicle ahead that brakes

Written by `python -m benchmarks.braking` (`--help` has the options). [metrics.md](metrics.md#braking) explains the
columns, [tracker.md](tracker.md) the tracker, [simulator.md](simulator.md) the drives. They last 9 s at 10 Hz; of the
clouds, the half ahead is cast. In brackets: 95 % intervals over drives. Shares and delays are at one false alarm a
minute and over all drives: one in which an alarm already sounds in the second before counts as missed.

| method | looks at |
|---|---|
| `tracker` | the vehicle ahead in the clouds, and the ego's poses |
| `middle of drive` | the frame's index alone. Frames before the onset are early ones, so it does well at `onset` |
| `nearness` | the range of what stands ahead in the lane |
| `ego deceleration`, `pedal` | the ego's poses; its brake less its throttle. The ego's driver knows the truth at once |

In a twin, the ego drives on as if the lead did not brake: there only the lead itself can tell.

![Ranges, speeds and stops of simulated and real drives](braking_ranges.png)

*The vehicle ahead in simulated drives and in 13 real drives of AnoVox, whose boxes (a detector's) were turned into
ranges by a width of 2.0 m. Some of these boxes are of another vehicle, or of a part of one: hence the steps to 20 m and
the speeds beyond 5 m/s.*
"""


if __name__ == "__main__":
    run_stage(main)
