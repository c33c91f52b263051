"""The pages name every finding and every rule that stops the work, and their links lead somewhere."""

import re
from pathlib import Path

import pytest

from lib.doctor import diagnoses
from lib.preprocessing import causes, drive_checks, label_checks, rules
from lib.reading.file_errors import Reason
from lib.reading.findings import Notice, ScenarioReason
from tests.present import present

ROOT = Path(__file__).parents[1]
CHECK = ROOT / "docs" / "check.md"
PAGE = ROOT / "docs" / "anovox.md"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))


def documented():
    """Finding -> second column of its row."""
    section = PAGE.read_text(encoding="utf-8").split("## Findings")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    return {name: costs.strip() for names, costs in rows for name in re.findall(r"`(\w+)`", names)}


def test_the_page_lists_every_finding_and_no_other():
    found = set(
        re.findall(r'Diagnosis(?:\.of)?\(\s*[\w.]+,\s*"(\w+)"', Path(diagnoses.__file__).read_text(encoding="utf-8"))
    )
    found |= set(re.findall(r'DriveNote\(\s*"(\w+)"', Path(drive_checks.__file__).read_text(encoding="utf-8")))
    assert len(found) > 14
    assert set(documented()) == {finding.value for finding in (*Reason, *ScenarioReason, *Notice)} | found


def test_the_page_on_the_check_lists_all_that_stops_the_work():
    section = CHECK.read_text(encoding="utf-8").split("## What stops the work")[1].split("\n## ")[0]
    listed = [name for row in section.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)]
    code = "".join(
        Path(present(module.__file__)).read_text(encoding="utf-8") for module in (rules, label_checks, causes)
    )
    names = set(re.findall(r'(?:Rule|Cause|Objection)\(\s*"(\w+)"', code))
    assert len(names) > 15
    assert names - {"sensors_disagree"} <= set(listed)


def test_it_says_what_each_costs():
    costs = documented()
    assert {costs[reason] for reason in Reason} == {"the frame"}
    assert {costs[notice] for notice in Notice} == {"nothing"}
    assert {costs[reason] for reason in ScenarioReason} == {"the scenario", "the second one"}


def anchors(page):
    """Names of the headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE))
    return {title.strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    broken = []
    for link in re.findall(r"\]\(\s*([^)\s]+)\s*\)", text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not re.match(r"https?://", link) and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)
    assert not broken, f"{name}: {broken}"
