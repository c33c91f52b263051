"""The built-in sample: all scenarios of the plan, recorded and written in AnoVox's layout, in parallel."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Final

from tqdm import tqdm

from lib.anovox.recording import ScenarioConfig
from lib.anovox.writer import write_scenario, write_scenario_configuration
from lib.errors import DataError
from lib.params import SimulateParams
from lib.simulator.plan import ScenarioPlan, plan_scenarios
from lib.simulator.recordings import record_scenario, scenario_config, sensor_set, ticks_between_frames
from lib.simulator.scenes import build_scene

_THREAD_SETTINGS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def write_sample(root: Path, params: SimulateParams, workers: int) -> tuple[ScenarioConfig, ...]:
    """Write all scenarios and their configuration files below `root`, an existing folder, and return what was written.

    `workers` processes, 0 = one per core; the files are the same to the byte for any number of them.
    Raises ParamsError before any work, DataError when a scenario cannot be written.
    """
    ticks_between_frames(params)
    plans = plan_scenarios(params)
    workers = min(workers or available_cores(), len(plans))
    with _one_thread_each(), ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent) as pool:
        futures = [pool.submit(write_planned_scenario, root, plan, params) for plan in plans]
        try:
            for future in tqdm(
                as_completed(futures), total=len(futures), desc="simulating", unit="scenario", mininterval=0.5
            ):
                future.result()
        except BrokenProcessPool:
            raise DataError("a simulating process died, perhaps for memory; try a lower execution.workers") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    configs = tuple(future.result() for future in futures)
    write_scenario_configuration(root, configs)
    return configs


def write_planned_scenario(root: Path, plan: ScenarioPlan, params: SimulateParams) -> ScenarioConfig:
    """Build, record and write one scenario below `root`; DataError when it cannot be written."""
    scene = build_scene(plan, params)
    config = scenario_config(plan, scene)
    try:
        write_scenario(root, config, sensor_set(params), record_scenario(scene, plan, params))
    except OSError as error:
        raise DataError(f"{root / plan.name}: cannot be written ({error}); check disk space and permissions") from None
    return config


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_parent() -> None:
    """In a worker: leave Ctrl-C to the parent, and do not outlive it when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile compute on one thread: faster in number, and no result depends on a thread pool."""
    before = {name: os.environ.get(name) for name in _THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
