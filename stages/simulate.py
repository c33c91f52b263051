"""The built-in sample: procedural streets with and without anomalies, in AnoVox's release layout."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lib.errors import DataError, run_stage
from lib.params import load_params
from lib.simulator.sample import write_sample

SAMPLE = Path("data/sample")


def main() -> None:
    """Run the stage."""
    params = load_params()
    with _whole_folder(SAMPLE) as folder:
        configs = write_sample(folder, params.simulate, params.execution.workers)
    anomalies = sum(config.anomaly_blueprint is not None for config in configs)
    frames = len(configs) * params.simulate.frames_per_scenario
    print(f"{len(configs)} scenarios ({anomalies} with an anomaly), {frames} frames in {SAMPLE}")


@contextmanager
def _whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill that takes the place of `path`, and of what was there, when all went well; else it vanishes."""
    partial = path.parent / f".{path.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        try:
            partial.mkdir(parents=True)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error}); check disk space and permissions") from None
        yield partial
        if path.exists():
            shutil.rmtree(path)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


if __name__ == "__main__":
    run_stage(main)
