"""What outlives a run that was killed: a store beside DVC's outs, kept by what the work is made from.

An entry's name is a fingerprint of params, code, libraries and data, so that work is taken up again only where it would
be done the same way. It lies in the folder that ANOVOX_SCRATCH names, by default `.scratch` in the repository, also for
experiments that DVC runs in temporary folders of it (.dvc/tmp/exps), which are deleted when they end.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lib.errors import DataError
from lib.outputs import OccupiedError, alone, whole_folder, write_json
from lib.reading import open_file, read_text

VARIABLE: Final = "ANOVOX_SCRATCH"
KEPT_DAYS: Final = 30
KEPT_BYTES: Final = 20 << 30
_ROOT: Final = Path(__file__).resolve().parents[1]
_TEMPORARY: Final = (".dvc", "tmp", "exps")
_NOTE: Final = "note.json"
_SIDE_BY_SIDE: Final = 1000


def fingerprint(*values: Any) -> str:
    """Hash of plain values (as JSON)."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content. Raises OSError."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_fingerprint() -> str:
    """Hash of this project's modules loaded by now, and the versions of the libraries loaded by now."""
    modules = [module for module in list(sys.modules.values()) if module is not None]
    files = {Path(file).resolve() for module in modules if (file := getattr(module, "__file__", None))}
    ours = {
        str(file.relative_to(_ROOT)): file_digest(file)
        for top in ("lib", "stages")
        for file in files
        if file.is_relative_to(_ROOT / top)
    }
    versions = {
        module.__name__: version
        for module in modules
        if "." not in module.__name__ and isinstance(version := _version(module), str)
    }
    return fingerprint(ours, versions, sys.version)


def _version(module: ModuleType) -> Any:
    return vars(module).get("__version__", vars(module).get("version"))


def store() -> Path:
    """The folder of the store, whether it exists or not."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).absolute()
    here = Path.cwd()
    for depth in range(len(here.parts)):
        if here.parts[depth : depth + len(_TEMPORARY)] == _TEMPORARY:
            return Path(*here.parts[:depth]) / ".scratch"
    return here / ".scratch"


@contextmanager
def unfinished(kind: str, key: str) -> Iterator[Path]:
    """A folder for unfinished work, as an earlier run with this key has left it; removed when the block ends well.

    No two runs share one: beside another run of the same key, a run gets a folder of its own.
    Raises DataError when it cannot be written.
    """
    folder = _made(kind)
    left = [entry for entry in _folders(folder) if entry.name == key or entry.name.startswith(f"{key}-")]
    new = [folder / key, *(folder / f"{key}-{number}" for number in range(2, _SIDE_BY_SIDE))]
    with ExitStack() as stack:
        for place in [*sorted(left, key=_last_use, reverse=True), *new]:
            with suppress(OccupiedError):
                stack.enter_context(alone(place))
                break
        _make(place)
        prune(store())
        yield place
        shutil.rmtree(place, ignore_errors=True)  # what was unfinished is done, whatever stays behind here


@dataclass(frozen=True)
class Shelf:
    """Finished pieces of a stage's work (files and a note in JSON) by the fingerprint of all they were made from.

    Files are second names of the outs where the file system has hard links, so they are made read-only, as DVC makes
    its cache; whatever changes one all the same is found out by its checksum.
    """

    folder: Path

    def take(self, key: str, to: Path) -> Any | None:
        """Link (or copy) the files kept under a key into a folder, and return their note.

        None where nothing is kept, or not whole: what is damaged is thrown away. Raises OSError when the folder cannot
        be written.
        """
        place = self.folder / key
        with ExitStack() as stack:
            with suppress(OccupiedError):  # by another reader: it changes nothing
                stack.enter_context(alone(place))
            try:
                kept = json.loads(read_text(place / _NOTE))
                files, note = kept["files"], kept["note"]
                whole = kept["seal"] == fingerprint(files, note) and all(
                    Path(name).name == name and file_digest(place / name) == files[name] for name in files
                )
                if not whole:
                    raise ValueError(key)
                with suppress(PermissionError):  # of another user, in a store that is shared
                    os.utime(place / _NOTE)
            except OSError:
                return None  # nothing there, or nothing that can be read now
            except (ValueError, KeyError, TypeError, AttributeError):
                shutil.rmtree(place, ignore_errors=True)
                return None
            try:
                for name in files:
                    _link_or_copy(place / name, to / name)
            except FileNotFoundError:  # another run has discarded it meanwhile
                return None
        return note

    def put(self, key: str, files: Sequence[Path], note: Any) -> None:
        """Keep files under a key, as links where the file system can; a store that is full keeps nothing."""
        with suppress(DataError, OSError), whole_folder(self.folder / key) as place:
            for file in files:
                _link_or_copy(file, place / file.name)
                (place / file.name).chmod(0o444)
            digests = {file.name: file_digest(file) for file in files}
            write_json(place / _NOTE, {"files": digests, "note": note, "seal": fingerprint(digests, note)})

    def discard(self, keys: Iterable[str]) -> None:
        """Forget what is kept under some keys."""
        for key in keys:
            shutil.rmtree(self.folder / key, ignore_errors=True)


def shelf(kind: str) -> Shelf:
    """The pieces of one kind of work; those not needed for long, or for which there is no room, are removed first."""
    folder = _made(kind)
    prune(store())
    return Shelf(folder)


def prune(root: Path, days: float = KEPT_DAYS, num_bytes: int = KEPT_BYTES) -> None:
    """Remove entries not used for so long, and the longest unused ones beyond so many bytes; what a run holds stays.

    A file that is linked elsewhere, too, costs nothing here and does not count.
    """
    entries = [entry for kind in _folders(root) for entry in _folders(kind)]
    by_use = sorted(((_last_use(entry), entry) for entry in entries), reverse=True)
    total = 0
    for used, entry in by_use:
        half = entry.name.startswith(".")  # which a killed run has left
        total += 0 if half else _own_bytes(entry)
        if (total > num_bytes and not half) or used < time.time() - days * 86_400:
            with suppress(DataError), alone(entry):
                shutil.rmtree(entry, ignore_errors=True)


def _link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file, or where there can be none (another disk) a copy."""
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _made(kind: str) -> Path:
    folder = store() / kind
    _make(folder)
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be made ({error.strerror}); set {VARIABLE} to a folder to write in"
        ) from None


def _folders(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if path.is_dir()]


def _inside(folder: Path) -> list[Path]:
    """What lies in a folder; nothing where another run has removed it meanwhile."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _last_use(entry: Path) -> float:
    note = entry / _NOTE
    times = [_stat_or_none(path) for path in ([note] if note.exists() else [entry, *_inside(entry)])]
    return max((found.st_mtime for found in times if found), default=time.time())


def _own_bytes(entry: Path) -> int:
    found = [_stat_or_none(path) for path in _inside(entry)]
    return sum(stat.st_size for stat in found if stat and stat.st_nlink == 1)


def _stat_or_none(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
