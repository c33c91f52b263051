"""Where the frames are kept while an epoch after the other uses them: on the device, in memory, or in their files."""

from pathlib import Path, PurePosixPath
from typing import Final, Literal

import torch

from lib.common.errors import ParamsError

DataLocation = Literal["stream", "memory", "device"]

LARGEST_SHARE: Final = 0.5
GIB: Final = 1 << 30
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def choose_data_location(
    wanted: Literal["auto"] | DataLocation, num_bytes: int, device: torch.device
) -> tuple[DataLocation, str]:
    """Return where so many bytes of frames are kept, and a sentence that says so and why.

    `auto`: in the GPU's memory, else in main memory, where they take at most half of what is free; else in their files.
    On the CPU, `device` is main memory too. Raises ParamsError where the place asked for is too small.
    """
    size = f"{num_bytes / GIB:.2f} GiB of frames"
    places: list[DataLocation] = ["device", "memory"] if device.type == "cuda" else ["memory"]
    free: dict[DataLocation, int | None] = {"memory": free_memory()}
    free["device"] = int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free["memory"]
    if wanted == "auto":
        for place in places:
            if num_bytes <= LARGEST_SHARE * (free[place] or 0):
                return place, f"{size} are kept {_where(place, device)}, of which {_gib(free[place])} were free"
        known = ", ".join(f"{_gib(free[place])} free {_where(place, device)}" for place in places)
        return "stream", f"{size} are streamed from the shards ({known}; at most half of it would be taken)"
    if wanted == "stream":
        return "stream", f"{size} are streamed from the shards, as execution.data_location asks"
    room = free[wanted]
    if room is not None and num_bytes > room:
        raise ParamsError(
            f"execution.data_location: got {wanted!r}, but {size} do not fit {_where(wanted, device)}, of which "
            f"{_gib(room)} are free; use auto or stream"
        )
    return wanted, f"{size} are kept {_where(wanted, device)}, as execution.data_location asks"


def free_memory() -> int | None:
    """Bytes of main memory that this process could take; None where the system does not tell."""
    try:
        lines = (PROC / "meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return None
    return min([available, *_room_in_cgroups()])


def _room_in_cgroups() -> list[int]:
    """Room below the memory limits of the process's control groups (version 2), caches that can be dropped included."""
    try:
        path = (PROC / "self/cgroup").read_text(encoding="utf-8").strip().rpartition("::")[2]
    except OSError:
        return []
    own = PurePosixPath(path.lstrip("/"))
    rooms = []
    for group in [own, *own.parents]:
        folder = CGROUPS / group
        try:
            limit = int((folder / "memory.max").read_text(encoding="ascii"))
            used = int((folder / "memory.current").read_text(encoding="ascii"))
            counts = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            rooms.append(max(0, limit - used + int(counts.get("inactive_file", 0))))
        except (OSError, ValueError):
            continue  # no such group from in here, or no limit ("max")
    return rooms


def _where(place: DataLocation, device: torch.device) -> str:
    return "in the GPU's memory" if place == "device" and device.type == "cuda" else "in main memory"


def _gib(num_bytes: int | None) -> str:
    return "an unknown amount" if num_bytes is None else f"{num_bytes / GIB:.1f} GiB"
