"""Duration of `python -m tools.check` for a thousand frames of AnoVox's size; the limit is a minute."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.frames import multiplied, simulated_scenarios
from benchmarks.subject import Measure, Subject, Table, number_text
from benchmarks.timing import alternate

SCENARIOS, DIFFERENT_FRAMES, FRAMES, ROUNDS = 5, 2, 200, 2
CHECK: Final = "tools.check"


def measure(folder: Path) -> Subject:
    """Repeat some simulated frames a thousand times and check them like a user."""
    made = simulated_scenarios(folder / "made", SCENARIOS - 1, 1, DIFFERENT_FRAMES)
    data = folder / "data"
    for scenario in made:
        multiplied(scenario, data / scenario.name, FRAMES // DIFFERENT_FRAMES)
    found: list[dict[str, Any]] = []
    times = alternate({CHECK: lambda: found.append(_check(data))}, ROUNDS, warm_up=0)
    read = found[-1]["frames"]["read"]
    assert found[-1]["frames"]["total"] == SCENARIOS * FRAMES, found[-1]["frames"]
    seconds = times.duration(CHECK)
    rows = ((f"`python -m {CHECK}`", seconds.text(), number_text(1000 * seconds.median / read)),)
    return Subject(
        title="Checking data",
        setting=(
            f"{SCENARIOS} simulated scenarios of {FRAMES} frames of AnoVox's true size, {read} of them read in full "
            "(the default). The time includes a training step for the estimate and the start of Python."
        ),
        packages=("numpy", "pillow", "torch"),
        tables=(Table(f"{SCENARIOS * FRAMES:,} frames", ("", "s", "ms per frame read in full"), rows),),
        measures=(
            Measure("seconds_1000_frames", "`python -m tools.check` of 1,000 frames", seconds, at_most=60, unit="s"),
        ),
    )


def _check(data: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", CHECK, str(data), "--json"]
    document: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return document
