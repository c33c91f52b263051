"""What outlives a run that was killed: a store beside DVC's outs, kept by what the work is made from.

An entry's name is a fingerprint of params, code, libraries and data, so that work is taken up again only where it would
be done the same way. It lies in the folder that ANOVOX_SCRATCH names, by default `.scratch` in the repository, also for
experiments that DVC runs in temporary folders of it (.dvc/tmp/exps), which are deleted when they end.

An entry is ours when it has such a name, is no link, and holds the sign that is put into each; and of what is in it,
files of the names that runs give them. Nothing else is ever removed, whatever ANOVOX_SCRATCH names.
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
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from lib.common.errors import DataError
from lib.common.outputs import OccupiedError, atomic_folder, exclusive_lock, remove_leftovers, write_json, write_text
from lib.common.reading import open_file, read_text
from lib.common.terminal import readable

VARIABLE: Final = "ANOVOX_SCRATCH"
KEPT_DAYS: Final = 30
KEPT_BYTES: Final = 20 << 30
KINDS: Final = ("train", "preprocess", "predict", "evaluate")
_ROOT: Final = Path(__file__).resolve().parents[2]
_TEMPORARY: Final = (".dvc", "tmp", "exps")
_NOTE: Final = "note.json"
_OUTS: Final = ("data/sample", "data/shards", "data/predictions", "plots/labels", "plots/figures", "plots/detections")
_SIGN: Final = "anovox-fusion.txt"
_SIGN_TEXT: Final = "Runs of anovox-fusion keep unfinished and reusable work in this folder, and remove it.\n"
_PIECES: Final = ("Scenario_*.h5", "checkpoint.pt")
_NAMES: Final = (*_PIECES, ".*.partial", _NOTE)
_KEY: Final = re.compile(r"[0-9a-f]{32}(-\d{1,3})?")
_HALF: Final = re.compile(r"\.([0-9a-f]{32})\.partial")
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
        place = Path(named).absolute()
        if any(place.is_relative_to(Path(out).absolute()) for out in _OUTS):
            raise DataError(f"{VARIABLE}: got {readable(named)}, where outputs lie; name another folder")
        return place
    here = Path.cwd()
    for depth in range(len(here.parts)):
        if here.parts[depth : depth + len(_TEMPORARY)] == _TEMPORARY:
            return Path(*here.parts[:depth]) / ".scratch"
    return here / ".scratch"


@contextmanager
def resumable_work(kind: str, key: str) -> Iterator[Path]:
    """A folder for unfinished work, as an earlier run with this key has left it; removed when the block ends well.

    No two runs share one: beside another run of the same key, a run gets a folder of its own.
    Raises DataError when it cannot be written.
    """
    folder = _made(kind)
    left = [entry for entry in _entries(folder) if entry.name == key or entry.name.startswith(f"{key}-")]
    all_names = [folder / key, *(folder / f"{key}-{number}" for number in range(2, _SIDE_BY_SIDE))]
    new = [place for place in all_names if _is_free(place)]
    with ExitStack() as stack:
        for place in [*sorted(left, key=_last_use, reverse=True), *new]:
            with suppress(OccupiedError):
                stack.enter_context(exclusive_lock(place))
                break
        _make(place)
        _sign(place)
        prune(store())
        yield place
        _discard(place)


@dataclass(frozen=True)
class Cache:
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
        if not _is_ours(place):
            return None
        with ExitStack() as stack:
            with suppress(OccupiedError):  # by another reader: it changes nothing
                stack.enter_context(exclusive_lock(place))
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
                _discard(place)
                return None
            try:
                for name in files:
                    _link_or_copy(place / name, to / name)
            except FileNotFoundError:  # another run has discarded it meanwhile
                return None
        return note

    def put(self, key: str, files: Sequence[Path], note: Any) -> None:
        """Keep files under a key, as links where the file system can; a store that is full keeps nothing."""
        if not (_is_free(self.folder / key) or _is_ours(self.folder / key)):
            return
        holds = (*_PIECES, _NOTE, _SIGN)
        with suppress(DataError, OSError), atomic_folder(self.folder / key, holds, _SIGN) as place:
            _sign(place)
            for file in files:
                _link_or_copy(file, place / file.name)
                (place / file.name).chmod(0o444)
            digests = {file.name: file_digest(file) for file in files}
            write_json(place / _NOTE, {"files": digests, "note": note, "seal": fingerprint(digests, note)})

    def discard(self, keys: Iterable[str]) -> None:
        """Forget what is kept under some keys."""
        for key in keys:
            if _is_ours(self.folder / key):
                _discard(self.folder / key)


def cache(kind: str) -> Cache:
    """The pieces of one kind of work; those not needed for long, or for which there is no room, are removed first."""
    folder = _made(kind)
    prune(store())
    return Cache(folder)


def prune(root: Path, days: float = KEPT_DAYS, num_bytes: int = KEPT_BYTES) -> None:
    """Remove entries not used for so long, and the longest unused ones beyond so many bytes; what a run holds stays.

    A file that is linked elsewhere, too, costs nothing here and does not count.
    """
    oldest = time.time() - days * 86_400
    kinds = [root / kind for kind in KINDS]
    by_use = sorted(((_last_use(entry), entry) for kind in kinds for entry in _entries(kind)), reverse=True)
    total = 0
    for used, entry in by_use:
        total += _own_bytes(entry)
        if total > num_bytes or used < oldest:
            with suppress(DataError), exclusive_lock(entry):
                _discard(entry)
    for half in (path for kind in kinds for path in _inside(kind)):
        match = _HALF.fullmatch(half.name)  # which a killed run has left
        if match and _last_use(half) < oldest:
            remove_leftovers(half.with_name(match[1]))


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
    assert kind in KINDS, kind
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


def _sign(place: Path) -> None:
    """Say of an entry that it is ours; raises DataError when it cannot be written."""
    if not _is_ours(place):
        write_text(place / _SIGN, _SIGN_TEXT)


def _is_free(place: Path) -> bool:
    """Whether an entry may be made of this name: nothing is there, or a folder that a run was killed before signing."""
    if place.is_symlink() or not place.is_dir():
        return not os.path.lexists(place)
    return all(path.name.startswith(f".{_SIGN}.") for path in _inside(place))


def _entries(folder: Path) -> list[Path]:
    return [path for path in _inside(folder) if _is_ours(path)]


def _is_ours(path: Path) -> bool:
    try:
        sign = path / _SIGN
        links = path.is_symlink() or sign.is_symlink()
        return bool(_KEY.fullmatch(path.name)) and not links and read_text(sign, len(_SIGN_TEXT)) == _SIGN_TEXT
    except (OSError, ValueError):
        return False


def _discard(entry: Path) -> None:
    """Remove what runs have put into an entry, its sign last, and the entry unless something else is in it."""
    for path in _inside(entry):
        if any(fnmatchcase(path.name, name) for name in _NAMES) and not path.is_dir():
            with suppress(OSError):
                path.unlink()
    if all(path.name == _SIGN for path in _inside(entry)):
        with suppress(OSError):
            (entry / _SIGN).unlink()
            entry.rmdir()


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
        return path.lstat()
    except OSError:
        return None
