"""Label sources and their agreement, scenario by scenario: plots/scenarios.csv and the log of preprocess."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lib.anovox import layout
from lib.shards.index import ShardEntry
from lib.shards.statistics import Statistics, label_metrics, worst_scenarios

LABEL_COLUMNS: Final = (
    "row_match_share",
    "direction_match_share",
    "voxel_label_share",
    "unlabelled_share",
    "depth_agreement",
    "class_agreement",
    "class_agreement_off_outlines",
    "class_agreement_mirrored",
    "voxel_agreement",
    "in_voxel_share",
)
SCENARIO_COLUMNS: Final = ("scenario", "type", "town", "weather", "frames", "frames_with_anomaly", *LABEL_COLUMNS)
_WHAT: Final = {
    "class_agreement_off_outlines": "camera and LiDAR classes agree least",
    "voxel_agreement": "point labels and the voxel grid agree least",
    "unlabelled_share": "most points lack a label",
}


def scenario_rows(entries: Sequence[ShardEntry], by_scenario: Mapping[str, Statistics]) -> list[dict[str, Any]]:
    """One row of SCENARIO_COLUMNS per scenario, its cameras together; a share of nothing is left empty."""
    shards: dict[str, list[ShardEntry]] = {}
    for entry in entries:
        shards.setdefault(entry.scenario, []).append(entry)
    return [
        {
            "scenario": name,
            "type": cameras[0].type.value,
            "town": cameras[0].town,
            "weather": cameras[0].weather,
            "frames": sum(entry.frames for entry in cameras),
            "frames_with_anomaly": sum(entry.frames_with_anomaly for entry in cameras),
            **label_metrics(by_scenario[name]),
        }
        for name, cameras in shards.items()
    ]


def class_text(kind: str, class_id: int) -> str:
    """A class id that AnoVox does not define as people read it: a number, in the old sample layout a colour."""
    return f"#{class_id:06x}" if kind in layout.OLD_FILE_ENDINGS else str(class_id)


def label_sentences(by_scenario: Mapping[str, Statistics]) -> list[str]:
    """For the log: the scenarios that do worst, mirrored clouds, class ids by file kind that AnoVox does not define."""
    sentences = [
        f"labels: {_WHAT[key]} in {name}: {share:.2%}"
        for key, (name, share) in worst_scenarios(by_scenario).items()
        if key != "unlabelled_share" or share > 0
    ]
    sentences += [
        f"labels: {name}: its clouds look mirrored (y to the right); `python -m tools.check` says more"
        for name, statistics in sorted(by_scenario.items())
        if statistics.agreement.looks_mirrored
    ]
    for name, statistics in sorted(by_scenario.items()):
        for kind in sorted({kind for kind, _ in statistics.undefined_ids}):
            ids = sorted(class_id for found, class_id in statistics.undefined_ids if found == kind)
            shown = ", ".join(class_text(kind, class_id) for class_id in ids[:10])
            what = "colours" if kind in layout.OLD_FILE_ENDINGS else "class ids"
            sentences.append(
                f"labels: {name}: {kind} holds {what} that AnoVox does not define, taken as unknown (255): "
                f"{shown}{' ...' if len(ids) > 10 else ''}"
            )
    return sentences
