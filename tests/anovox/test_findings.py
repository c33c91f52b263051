"""Every finding is documented."""

import re
from pathlib import Path

from lib.anovox.files import Reason
from lib.anovox.findings import Notice, ScenarioReason

PAGE = Path(__file__).parents[2] / "docs" / "anovox.md"


def test_the_page_lists_every_finding_and_no_other():
    section = PAGE.read_text(encoding="utf-8").split("## Findings")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| `")]
    costs = {name: cost.strip() for names, cost in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(costs) == {finding.value for finding in (*Reason, *ScenarioReason, *Notice)}
    assert {costs[reason] for reason in Reason} == {"the frame"}
    assert {costs[notice] for notice in Notice} == {"nothing"}
    assert {costs[reason] for reason in ScenarioReason} == {"the scenario", "the second one"}
