"""Work kept between runs, beside DVC's outputs: checkpoints and finished files of stages that were interrupted.

It lies in <store>/<stage>/<key>/. The key is a fingerprint of all that the work depends on: params, data, code and
library versions. The store is the folder `anovox-fusion` in the one that ANOVOX_SCRATCH names; by default `.scratch` in
the repository, also for experiments that DVC runs in temporary folders (.dvc/tmp/exps), which are deleted afterwards.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import OccupiedError, atomic_folder, exclusive_lock, write_json
from lib.common.reading import open_file, read_text
from lib.common.yaml_text import read_yaml

VARIABLE: Final = "ANOVOX_SCRATCH"
KEPT_DAYS: Final = 30
KEPT_BYTES: Final = 20 << 30
_ROOT: Final = Path(__file__).resolve().parents[2]
_LIBRARIES: Final = ("torch", "numpy", "scipy", "h5py", "hdf5plugin", "pillow", "kornia-rs", "pypcd4")
"""Libraries that results of stages with a cache depend on."""
_EXPERIMENTS: Final = (".dvc", "tmp", "exps")
_NOTE: Final = "note.json"
_KEY: Final = re.compile(r"[0-9a-f]{32}(-\d+)?")


def fingerprint(*values: Any) -> str:
    """Hash of plain values (as JSON)."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content. Raises OSError."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_fingerprint(stage: str) -> str:
    """Hash of the code that a stage depends on in dvc.yaml, and of the versions of Python and libraries."""
    deps = read_yaml(read_text(_ROOT / "dvc.yaml"))["stages"][stage]["deps"]
    code = [_ROOT / dep for dep in deps if Path(dep).parts[0] in ("lib", "stages")]
    files = {file for path in code for file in (path.rglob("*.py") if path.is_dir() else [path])}
    digests = {str(file.relative_to(_ROOT)): file_digest(file) for file in files}
    return fingerprint(digests, {name: _version(name) for name in _LIBRARIES}, sys.version)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def store() -> Path:
    """The folder of the store, whether it exists or not."""
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute() / "anovox-fusion"
    here = Path.cwd()
    for depth in range(len(here.parts)):
        if here.parts[depth : depth + len(_EXPERIMENTS)] == _EXPERIMENTS:
            return Path(*here.parts[:depth]) / ".scratch"
    return here / ".scratch"


@contextmanager
def resumable_work(stage: str, key: str) -> Iterator[Path]:
    """A folder for unfinished work, as an interrupted run with this key has left it; removed if the block succeeds.

    A run beside another one with the same key gets a folder of its own. Raises DataError when it cannot be written.
    """
    parent = _made(stage)
    with ExitStack() as stack:
        for number in count(1):
            folder = parent / (key if number == 1 else f"{key}-{number}")
            with suppress(OccupiedError):
                stack.enter_context(exclusive_lock(folder))
                break
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Cache:
    """Finished files of a stage, and a note in JSON, by the fingerprint of all that they depend on.

    Files are hard links to the outputs where the file system has them, so they are made read-only, as in DVC's cache; a
    file that was changed nevertheless is noticed by its checksum.
    """

    folder: Path

    def take(self, key: str, to: Path) -> Any | None:
        """Link (or copy) the files of a key into a folder and return their note; None if there are none or are damaged.

        Raises OSError when the folder cannot be written.
        """
        place = self.folder / key
        try:
            kept = json.loads(read_text(place / _NOTE))
            files, note = kept["files"], kept["note"]
            if kept["fingerprint"] != fingerprint(files, note):
                raise ValueError("note")
            if any(Path(name).name != name or file_digest(place / name) != files[name] for name in files):
                raise ValueError("file")
            with suppress(PermissionError):  # a store shared with another user
                os.utime(place)
        except OSError:
            return None  # not there, or unreadable now
        except (ValueError, KeyError, TypeError, AttributeError):
            shutil.rmtree(place, ignore_errors=True)
            return None
        try:
            for name in files:
                _link_or_copy(place / name, to / name)
        except FileNotFoundError:  # another run has removed it meanwhile
            return None
        return note

    def put(self, key: str, files: Sequence[Path], note: Any) -> None:
        """Keep files under a key; nothing is kept if the store cannot be written."""
        with suppress(DataError, OSError), atomic_folder(self.folder / key, ("*",)) as place:
            for file in files:
                _link_or_copy(file, place / file.name)
                (place / file.name).chmod(0o444)
            digests = {file.name: file_digest(file) for file in files}
            write_json(place / _NOTE, {"files": digests, "note": note, "fingerprint": fingerprint(digests, note)})

    def discard(self, keys: Iterable[str]) -> None:
        """Remove what is kept under some keys."""
        for key in keys:
            shutil.rmtree(self.folder / key, ignore_errors=True)


def cache(stage: str) -> Cache:
    """Return the cache of a stage. Raises DataError when it cannot be written."""
    return Cache(_made(stage))


def prune(root: Path, days: float = KEPT_DAYS, num_bytes: int = KEPT_BYTES) -> None:
    """Remove entries not used for so many days, and the longest unused ones beyond so many bytes; not those in use.

    A file that has a link elsewhere takes no space here and does not count.
    """
    found = [path for path in root.glob("*/*") if _KEY.fullmatch(path.name) and not path.is_symlink()]
    oldest, total = time.time() - days * 86_400, 0
    for (last_use, own_bytes), entry in sorted(((_usage(entry), entry) for entry in found), reverse=True):
        total += own_bytes
        if total > num_bytes or last_use < oldest:
            with suppress(DataError), exclusive_lock(entry):
                shutil.rmtree(entry, ignore_errors=True)


def _made(stage: str) -> Path:
    folder = store() / stage
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error.strerror}); set {VARIABLE} to a folder to write in"
        ) from None
    prune(store())
    return folder


def _link_or_copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:  # on another disk, or without hard links
        shutil.copyfile(source, target)


def _usage(entry: Path) -> tuple[float, int]:
    """When an entry was last used, and the bytes of its files that have no link elsewhere."""
    last_use, own_bytes = 0.0, 0
    with suppress(OSError):  # removed meanwhile
        for path in (entry, *(entry.iterdir() if entry.is_dir() else ())):
            found = path.lstat()
            last_use = max(last_use, found.st_mtime)
            own_bytes += found.st_size if found.st_nlink == 1 and path != entry else 0
    return last_use or time.time(), own_bytes
