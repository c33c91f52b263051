"""Worker processes: results in order, errors as sentences, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from lib.common.errors import DataError
from lib.common.workers import available_cores, processes, processes_or_here, run_tasks
from tests.processes import environment


def run(pool, function, tasks, report=None):
    return run_tasks(pool, function, tasks, "testing", "task", report)


def test_results_come_in_the_order_of_the_tasks_and_workers_compute_on_one_thread(capsys):
    before = dict(os.environ)
    reported: list[int] = []
    with processes(2, 3) as pool:
        assert run(pool, abs, [-3, 2, -1], reported.append) == [3, 2, 1]
        assert set(run(pool, os.getenv, ["OMP_NUM_THREADS", "MKL_NUM_THREADS"])) == {"1"}
    assert sorted(reported) == [1, 2, 3] and dict(os.environ) == before
    assert "testing: 100%" in capsys.readouterr().err


def test_a_single_worker_is_this_process_itself():
    with processes_or_here(1, 5) as pool:
        assert run(pool, lambda _: os.getpid(), range(2)) == [os.getpid()] * 2
    with processes_or_here(0, 1) as pool:
        assert run(pool, lambda _: os.getpid(), [None]) == [os.getpid()]
    assert available_cores() >= 1


def test_a_worker_that_dies_is_a_sentence_and_an_error_of_a_task_is_its_own():
    with processes(1, 1) as pool, pytest.raises(DataError, match=r"died, perhaps for memory; try a lower execution\.w"):
        run(pool, os._exit, [1])
    with processes_or_here(1, 1) as pool, pytest.raises(ZeroDivisionError):
        run(pool, partial(divmod, 1), [0])


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc to see processes in")
def test_no_worker_outlives_a_killed_parent(tmp_path):
    script = """
import time
from lib.common.workers import processes, run_tasks
with processes(2, 2) as pool:
    run_tasks(pool, time.sleep, [60, 60], "sleeping", "nap")
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL
    ) as p:
        try:
            wait_until(lambda: len(workers_in(tmp_path)) >= 2)
        finally:
            p.kill()
    wait_until(lambda: not workers_in(tmp_path))


def test_ctrl_c_ends_parent_and_workers_at_once_and_without_a_traceback(tmp_path):
    """Ctrl-C in a terminal goes to all processes of the group."""
    script = """
import signal
import time
from pathlib import Path
from lib.common.errors import run_stage
from lib.common.workers import processes, run_tasks
def nap(name):
    Path(name).touch()
    time.sleep(600)
def main():
    with processes(2, 2) as pool:
        run_tasks(pool, nap, ["one", "two", *map(str, range(20))], "sleeping", "nap")
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit that it is ignored
    run_stage(main)
"""
    (tmp_path / "naps.py").write_text(script)
    command = [sys.executable, "naps.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as p:
        try:
            wait_until(lambda: (tmp_path / "one").exists() and (tmp_path / "two").exists())
            os.killpg(p.pid, signal.SIGINT)
            _, err = p.communicate(timeout=30)
        finally:
            p.kill()
    assert p.returncode == 130 and "Traceback" not in err and err.endswith("interrupted\n")
    wait_until(lambda: not workers_in(tmp_path))


def test_a_line_is_printed_without_tqdms_lock():
    """A signal as tqdm made it left the lock half made, and `write` failed to release what was not there."""
    script = """
import multiprocessing, os, signal
from lib.common.errors import run_stage
from lib.common.terminal import log
def lock():
    os.kill(os.getpid(), signal.SIGTERM)
multiprocessing.RLock = lock
run_stage(lambda: log("a line"))
"""
    run = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "a line\n", "")


def workers_in(folder):
    """Spawned processes whose working directory is the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve(strict=True) == folder and b"spawn_main" in (process / "cmdline").read_bytes():
                found.append(process)
        except OSError:
            continue
    return found


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_ends_a_run_whose_workers_wait_for_a_file(tmp_path, workers):
    script = f"""
import os
from pathlib import Path
from lib.common.errors import run_stage
from lib.common.workers import processes_or_here, run_tasks
def wait(name):
    Path(name).touch()
    os.open("fifo", os.O_RDONLY)
def main():
    with processes_or_here({workers}, 2) as pool:
        run_tasks(pool, wait, ["one", "two"], "waiting", "file")
if __name__ == "__main__":
    run_stage(main)
"""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "waits.py").write_text(script)
    command = [sys.executable, "waits.py"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as p:
        try:
            wait_until(lambda: len(list(tmp_path.glob("[ot]*"))) == workers)
            p.terminate()
            _, err = p.communicate(timeout=30)
        finally:
            p.kill()
    assert p.returncode == 143 and "Traceback" not in err and "stopped: by SIGTERM" in err
    wait_until(lambda: not workers_in(tmp_path))
