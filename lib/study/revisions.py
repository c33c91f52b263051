"""Outputs of a Git revision or a DVC experiment, read from DVC's cache without touching the workspace.

DVC's cache: the content with the MD5 abcd... is in files/md5/ab/cd...; a folder is a JSON list of its files, in
files/md5/ab/cd....dir. dvc.lock has the MD5 of each output.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import yaml

from lib.common.errors import DataError
from lib.common.reading import read_text

_EXPERIMENTS: Final = "refs/exps/"
_MD5: Final = re.compile(r"[0-9a-f]{32}(\.dir)?")


def resolve(repository: Path, name: str) -> str:
    """Commit of a DVC experiment or Git revision of this name; raises DataError if there is none or several."""
    refs = (
        line.split() for line in _git(repository, "for-each-ref", "--format=%(refname) %(objectname)", _EXPERIMENTS)
    )
    commits = {commit for ref, commit in refs if ref.rsplit("/", 1)[-1] == name}
    if len(commits) > 1:
        raise DataError(f"{name}: {len(commits)} experiments have this name; give the commit of one (`dvc exp show`)")
    if commits:
        return commits.pop()
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")[0]
    except (DataError, IndexError):
        raise DataError(
            f"{name}: neither a folder, nor a DVC experiment, nor a Git revision (`dvc exp show`)"
        ) from None


def link_output(repository: Path, cache: Path, name: str, output: str, folder: Path) -> None:
    """Fill an empty folder with links to the files of an output (a folder) at a revision or experiment.

    `cache`: DVC's cache folder (`dvc cache dir`). Raises DataError if the revision has no such output or it is not in
    the cache.
    """
    commit = resolve(repository, name)
    text = "\n".join(_git(repository, "show", f"{commit}:dvc.lock"))
    digest = _digest(name, output, yaml.safe_load(text))
    for entry in _listed(_content(name, output, cache, digest)):
        place = PurePosixPath(entry["relpath"])
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{name}: {output} would place a file outside its folder ({place}); its cache is damaged")
        link = folder / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(_content(name, output, cache, entry["md5"]).resolve())


def _digest(name: str, output: str, lock: Any) -> str:
    stages: Mapping[str, Any] = lock.get("stages", {}) if isinstance(lock, dict) else {}
    found = [out for stage in stages.values() for out in stage.get("outs", []) if out.get("path") == output]
    if not found:
        raise DataError(f"{name}: its dvc.lock holds no {output}; run the pipeline there (`dvc repro`) and commit")
    return str(found[0].get("md5"))


def _content(name: str, output: str, cache: Path, digest: str) -> Path:
    if not _MD5.fullmatch(digest):
        raise DataError(f"{name}: {output} has no usable MD5 in dvc.lock or the cache ({digest})")
    path = cache / "files" / "md5" / digest[:2] / digest[2:]
    if not path.is_file():
        raise DataError(
            f"{name}: its {output} is not in DVC's cache, so it was made on another machine or removed; fetch it from "
            "a remote (`dvc fetch`), or compare with `workspace`, the results in the working tree"
        )
    return path


def _listed(path: Path) -> list[dict[str, str]]:
    try:
        found: list[dict[str, str]] = json.loads(read_text(path))
        return [{"relpath": str(entry["relpath"]), "md5": str(entry["md5"])} for entry in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: damaged ({error}); fetch it again (`dvc fetch`)") from None


def _git(repository: Path, *arguments: str) -> list[str]:
    result = subprocess.run(  # noqa: S603 (fixed program, no shell; names follow --end-of-options)
        ["git", "-C", str(repository), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    if result.returncode:
        raise DataError(f"git {arguments[0]}: {' '.join(result.stderr.split()) or 'failed'}")
    return result.stdout.splitlines()
