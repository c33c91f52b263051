"""How long `python -m tools.check` takes for a thousand frames of AnoVox's true size, which may be a minute.

`python -m benchmarks.checking` simulates three scenarios and multiplies their frames by hard links to five scenarios of
200 frames in a temporary folder. It runs the tool as a user would: with its default sample, then with every frame read.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.true_size import write_true_size_scenarios

SCENARIOS, FRAMES = 5, 200


def main() -> None:
    """Simulate, multiply, check, print."""
    with tempfile.TemporaryDirectory(prefix="checking-") as folder:
        made = write_true_size_scenarios(_made(Path(folder) / "made"), 2, 1, 2)
        data = _made(Path(folder) / "data")
        for number in range(SCENARIOS):
            source = made[number % len(made)]
            _multiply(source, data / f"{source.name}{number}")
        for options in ([], ["--frames", "0"]):
            start = time.perf_counter()
            command = [sys.executable, "-m", "tools.check", str(data), *options]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds = time.perf_counter() - start
            read = next(line.strip() for line in done.stdout.splitlines() if "read in full" in line)
            print(f"{SCENARIOS * FRAMES} frames, {read}: {seconds:.1f} s")


def _multiply(source: Path, target: Path) -> None:
    """A scenario of FRAMES frames whose files are, in turn, those of `source`."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.parent == source:
            _made(target)
            os.link(path, target / path.name)
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        _made(target / folder.name)
        files = sorted(folder.iterdir())
        for frame_id in range(FRAMES):
            path = files[frame_id % len(files)]
            os.link(path, target / folder.name / f"{folder.name}_{frame_id}{path.suffix}")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
