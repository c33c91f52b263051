"""AnoVox files in which nothing is wrong: a finding or a frame that is left out fails the test."""

from collections.abc import Sequence

import pytest

from lib.anovox.reading.frames import read_frames
from lib.anovox.reading.scenario import Scenario
from lib.reading.findings import Finding
from lib.reading.recorded_frames import ReadFrame, SkippedFrame


def no_finding(finding: Finding) -> None:
    """In place of a report."""
    pytest.fail(f"{finding.reason}: {finding.message}")


def whole(read: ReadFrame | SkippedFrame) -> ReadFrame:
    assert isinstance(read, ReadFrame), read
    return read


def whole_frames(scenario: Scenario, frame_ids: Sequence[int] | None = None) -> list[ReadFrame]:
    """The frames of a scenario, none of which is left out."""
    return [whole(read) for read in read_frames(scenario, frame_ids)]
