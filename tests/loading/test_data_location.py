"""What is free is read from the system's own files; the choice takes at most half of it."""

import pytest
import torch

from lib.loading import data_location
from lib.loading.data_location import GIB, choose_data_location, free_memory

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def system(folder, monkeypatch, available_kib=None, group="/", limits=()):
    """/proc and control groups as files: `limits` are (group, max, current, inactive_file)."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    if available_kib is not None:
        lines = f"MemTotal: 99999999 kB\nMemFree: 5 kB\nMemAvailable:   {available_kib} kB\n"
        (proc / "meminfo").write_text(lines)
    (proc / "self/cgroup").write_text(f"0::{group}\n")
    for path, most, current, inactive in limits:
        (cgroups / path).mkdir(parents=True, exist_ok=True)
        (cgroups / path / "memory.max").write_text(f"{most}\n")
        (cgroups / path / "memory.current").write_text(f"{current}\n")
        (cgroups / path / "memory.stat").write_text(f"anon 7\ninactive_file {inactive}\n")
    monkeypatch.setattr(data_location, "PROC", proc)
    monkeypatch.setattr(data_location, "CGROUPS", cgroups)


def test_memory_is_what_the_system_calls_available(tmp_path, monkeypatch):
    system(tmp_path, monkeypatch, available_kib=1000)
    assert free_memory() == 1000 << 10


def test_the_tightest_control_group_above_counts_with_caches_that_can_go(tmp_path, monkeypatch):
    limits = [("job/step", "max", 400, 0), ("job", 5000, 4500, 300), (".", 90000, 0, 0)]
    system(tmp_path, monkeypatch, available_kib=1000, group="/job/step", limits=limits)
    assert free_memory() == 800


def test_a_system_that_tells_nothing_streams_and_still_does_as_asked(tmp_path, monkeypatch):
    system(tmp_path, monkeypatch)
    assert free_memory() is None
    assert choose_data_location("auto", 10, CPU)[0] == "stream"
    assert choose_data_location("memory", 10, CPU)[0] == "memory"


def test_this_machine_tells_something():
    found = free_memory()
    assert found is not None and found > 1 << 20


@pytest.mark.parametrize(
    ("size", "chosen"), [(0, "device"), (40 * GIB, "device"), (41 * GIB, "memory"), (51 * GIB, "stream")]
)
def test_the_device_comes_before_memory_and_memory_before_the_files(monkeypatch, size, chosen):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * GIB, 139 * GIB))
    monkeypatch.setattr(data_location, "free_memory", lambda: 100 * GIB)
    place, sentence = choose_data_location("auto", size, CUDA)
    assert place == chosen
    assert {"device": "80.0 GiB", "memory": "100.0 GiB", "stream": "streamed"}[chosen] in sentence


def test_on_the_cpu_the_files_follow_memory(monkeypatch):
    monkeypatch.setattr(data_location, "free_memory", lambda: 100 * GIB)
    assert [choose_data_location("auto", size * GIB, CPU)[0] for size in (50, 51)] == ["memory", "stream"]
    assert choose_data_location("device", 51 * GIB, CPU)[0] == "device"
    assert choose_data_location("stream", 1, CPU)[0] == "stream"
