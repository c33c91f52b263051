"""What may lie in the place of a file: other kinds of things, links, sizes that no such file has."""

import os
import shutil
import stat
from pathlib import Path
from typing import Final

SPARSE: Final = "terabyte"
ODD: Final = (
    *("FIFO", "device", "link to a device", "link to a FIFO", "socket", "folder"),
    *("link to itself", "link to nowhere"),
)
KINDS: Final = (*ODD, SPARSE)
_ENDLESS: Final = Path("/dev/zero")


def clear(path: Path) -> None:
    """Remove whatever lies there; what a link leads to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_in_place(path: Path, kind: str, content: bytes = b"") -> None:
    """Put one of KINDS in the place of a file; of a terabyte, `content` is the beginning, and zeros take no room."""
    clear(path)
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "device" and os.geteuid() == 0:
        os.mknod(path, stat.S_IFCHR | 0o666, _ENDLESS.stat().st_rdev)
    elif kind in ("device", "link to a device"):
        path.symlink_to(_ENDLESS)
    elif kind == "link to a FIFO":
        fifo = path.parent.parent / "a FIFO"
        clear(fifo)
        os.mkfifo(fifo)
        path.symlink_to(fifo)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o666)
    elif kind == "folder":
        path.mkdir()
    elif kind == SPARSE:
        path.write_bytes(content)
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to(path.name if kind == "link to itself" else "nowhere")
