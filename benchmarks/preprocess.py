"""Conversion of AnoVox folders to shards, in comparison with only decoding the same files."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.frames import multiplied, simulated_scenarios
from benchmarks.subject import Measure, Spread, Subject, Table
from benchmarks.timing import alternate
from lib.anovox.format import layout
from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import open_scenario
from lib.reading.recorded_frames import ReadFrame

SCENARIOS, FRAMES, TIMES, ROUNDS = 4, 4, 75, 2
TURNS: Final = 4
FACTORS: Final = (2, 4, 8, 16)
CONVERT: Final = """
import resource, shutil, sys, time
from pathlib import Path
from lib.common.params import load_params
from stages.check import Params
from lib.preprocessing.conversion import convert_data_set
if __name__ == "__main__":
    root, workers = Path(sys.argv[1]), int(sys.argv[2])
    folder = root.with_name(root.name + "-shards")
    folder.mkdir()
    start = time.perf_counter()
    convert_data_set(root, folder, load_params(Params).preprocess, workers)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)
"""


def measure(folder: Path) -> Subject:
    """Time conversion with one and two workers, alternating with decoding; then with 1, 2, 4, 8 times the frames."""
    made = folder / "made"
    scenarios = simulated_scenarios(made, SCENARIOS, 0, FRAMES)
    data = _multiplied(folder / "data", made, scenarios, TIMES)
    files = [path for path in made.rglob("*_*.*") if _is_read(path)]
    taken: dict[str, list[float]] = {"one": [], "two": []}
    ways: dict[str, Callable[[], object]] = {
        "decode": lambda: _decode(files * TURNS),
        "read": lambda: _read(scenarios * TURNS),
        "one": lambda: taken["one"].append(convert(data, 1)[0]),
        "two": lambda: taken["two"].append(convert(data, 2)[0]),
    }
    times = alternate(ways, ROUNDS, warm_up=0)
    count = SCENARIOS * FRAMES
    decode, read = (times.seconds[way] / (TURNS * count) for way in ("decode", "read"))
    one, two = (np.array(taken[way]) / (TIMES * count) for way in ("one", "two"))
    rows = tuple(
        (name, Spread.of(1 / seconds).text(), Spread.of(decode / seconds).text())
        for name, seconds in (
            ("bare decode (Pillow, NumPy)", decode),
            ("read: checked, labels transferred", read),
            ("one worker", one),
            ("two workers", two),
        )
    )
    grown, memory, linear = _growth(folder, made, scenarios[0])
    return Subject(
        title="Preprocess",
        setting=(
            f"{SCENARIOS} simulated scenarios of {TIMES * FRAMES} frames of AnoVox's true size, of which {FRAMES} "
            "are different and the others copies. All files that preprocess reads."
        ),
        packages=("h5py", "numpy", "pillow"),
        tables=(
            Table(
                "Frames per second",
                ("way", "frames/s", "of the bare decode"),
                rows,
                "Includes the start of the workers.",
            ),
            grown,
        ),
        measures=(
            Measure(
                "one_worker_of_decode", "one worker: speed relative to the bare decode", Spread.of(decode / one), 0.6
            ),
            Measure("two_workers_speedup", "two workers: speed relative to one", Spread.of(one / two), 1.8),
            Measure("memory_8x", "peak memory with 64 frames relative to 8", Spread.once(memory), at_most=1.1),
            Measure(
                "seconds_per_frame_8x",
                "time per frame with 64 frames relative to 16",
                Spread.once(linear),
                at_most=1.15,
            ),
        ),
    )


def _growth(folder: Path, made: Path, scenario: Path) -> tuple[Table, float, float]:
    """One worker on 1, 2, 4, 8 times the frames; peak memory at 8 times over once, time per frame over 2 times."""
    measured = [
        (factor * FRAMES, *convert(_multiplied(folder / f"times{factor}", made, [scenario], factor), 1))
        for factor in FACTORS
    ]
    rows = tuple(
        (f"{frames} frames", f"{seconds / frames:.3f}", f"{gigabytes:.3f}") for frames, seconds, gigabytes in measured
    )
    per_frame = [seconds / frames for frames, seconds, _ in measured]
    table = Table("One scenario, one worker", ("size", "s/frame", "peak memory, GB"), rows)
    return table, measured[-1][2] / measured[0][2], per_frame[-1] / per_frame[1]


def convert(root: Path, workers: int) -> tuple[float, float]:
    """Convert in a separate process; seconds, and peak memory of that process [GB]."""
    script = root.with_name("convert.py")
    script.write_text(CONVERT, encoding="utf-8")
    command = [sys.executable, str(script), str(root), str(workers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment())
    seconds, gigabytes = done.stdout.split()[-2:]
    return float(seconds), float(gigabytes)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])}


def _is_read(path: Path) -> bool:
    return path.is_file() and path.parent.parent.name.startswith("Scenario_") and layout.INSTANCE not in path.name


def _decode(files: list[Path]) -> None:
    for path in files:
        if path.suffix == ".png":
            with Image.open(path) as image:
                np.asarray(image)
        elif path.suffix == ".npy":
            np.load(path)
        else:
            path.read_text(encoding="utf-8")


def _read(scenarios: list[Path]) -> None:
    for path in scenarios:
        for read in read_frames(open_scenario(path, None)):
            assert isinstance(read, ReadFrame), read


def _multiplied(target: Path, made: Path, scenarios: Sequence[Path], factor: int) -> Path:
    """A data set of some of the scenarios in `made`, with their frames repeated `factor` times by hard links."""
    for source in scenarios:
        multiplied(source, target / source.name, factor)
    (target / layout.CONFIGURATION_FOLDER).symlink_to(made / layout.CONFIGURATION_FOLDER)
    return target
