"""Known vulnerabilities of the locked packages, by pip-audit: `make audit`.

Exit status 1: there are some. 2: unknown, because the database did not answer for all packages, which pip-audit itself
reports as "no known vulnerabilities".
"""

import argparse
import json
import subprocess
import sys
from typing import Any, Final

from lib.common.errors import run_stage

LOCKS: Final = ("requirements.lock", "requirements-dev.lock")
COMMAND: Final = (
    *(sys.executable, "-m", "pip_audit", *(part for lock in LOCKS for part in ("--requirement", lock))),
    *("--no-deps", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off", "--timeout", "15"),
)
SECONDS: Final = 600
FOUND: Final = 1
UNKNOWN: Final = 2


def verdict(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Exit status and lines to print for pip-audit's JSON report."""
    packages = report["dependencies"]
    lines = [
        f"{package['name']} {package['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    skipped = [package for package in packages if "skip_reason" in package]
    if skipped:
        count = f"{len(skipped)} of {len(packages)} packages"
        lines.append(f"audit: NOT DONE for {count}; the first: {skipped[0]['name']}: {skipped[0]['skip_reason']}")
    if any(package.get("vulns") for package in packages):
        return FOUND, lines
    if skipped or not packages:
        return UNKNOWN, lines or ["audit: NOT DONE: pip-audit checked no package"]
    return 0, [f"audit: no known vulnerability in {len(packages)} packages"]


def main() -> None:
    """Run pip-audit, print the result, and exit."""
    argparse.ArgumentParser(prog="python -m tools.audit", description=__doc__).parse_args()
    try:
        run = subprocess.run(
            COMMAND, capture_output=True, text=True, errors="surrogateescape", check=False, timeout=SECONDS
        )
        status, lines = verdict(json.loads(run.stdout))
    except subprocess.TimeoutExpired:
        status, lines = UNKNOWN, [f"audit: NOT DONE: no answer within {SECONDS} s"]
    except (ValueError, KeyError):
        problem = (run.stderr.strip().splitlines() or ["no output"])[-1]
        status, lines = UNKNOWN, [f"audit: NOT DONE: {problem[:300]}"]
    print("\n".join(lines), file=sys.stderr if status else sys.stdout)
    sys.exit(status)


if __name__ == "__main__":
    run_stage(main)
