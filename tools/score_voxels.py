"""Score voxel predictions of any method by AnoVox's protocol, so that it can be compared with this pipeline."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lib.common.errors import DataError, run_stage
from lib.evaluation.anovox_protocol import ProtocolResult, VoxelGroup, anovox_protocol
from lib.evaluation.voxel_files import read_protocol_frames

COLUMNS = ("AUROC", "AUPR", "FPR95", "exact FPR95", "specificity", "F1", "PPV", "anomalous", "normal")
WIDTHS = (8, 8, 8, 13, 13, 8, 8, 13, 13)


def main() -> None:
    """Read the predictions, score them, and print the result."""
    args = _arguments()
    frames = list(
        tqdm(
            read_protocol_frames(args.predictions, args.ground_truth, args.frames, args.anomaly_id, args.sigmoid),
            desc="reading",
            unit="frame",
            disable=None,
            leave=False,
        )
    )
    result = anovox_protocol(frames)
    if result.normality_included is None:
        raise DataError(
            f"{args.predictions}: the voxels shared with {args.ground_truth} are not both anomalous (class id "
            f"{', '.join(map(str, args.anomaly_id))}) and normal, so nothing can be scored; check --anomaly-id"
        )
    print(json.dumps(_document(result), indent=1) if args.json else _table(result, len(frames)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.score_voxels", description=__doc__)
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="DIR", help="pred_<frame>.npy: ix, iy, iz, score in [0, 1]"
    )
    parser.add_argument(
        "--ground-truth", type=Path, required=True, metavar="DIR", help="gt_<frame>.npy: ix, iy, iz, class id"
    )
    parser.add_argument(
        "--frames",
        type=Path,
        required=True,
        metavar="FILE",
        help='JSON table: {"100": {"anomaly_in_view": true, "size": "Tiny"}, ...}',
    )
    parser.add_argument(
        "--anomaly-id", type=int, nargs="+", default=[33], metavar="ID", help="class ids that are anomalies (33)"
    )
    parser.add_argument("--sigmoid", action="store_true", help="the scores are logits: apply the sigmoid first")
    parser.add_argument("--json", action="store_true", help="print JSON with the keys of AnoVox's script")
    return parser.parse_args()


def _document(result: ProtocolResult) -> dict[str, Any]:
    """AnoVox's keys and values; additional values have other keys."""
    groups = {"Normality_Included": result.normality_included, "Anomalies_Only": result.anomalies_only}
    computed = {name: group for name, group in groups.items() if group}
    sizes = {size: group for size, group in result.by_size.items() if group}
    return {
        **{name: asdict(group.metrics) for name, group in computed.items()},
        "Detection_Results_by_Anomaly_Size": {size: asdict(group.metrics) for size, group in sizes.items()},
        "Exact_FPR95": {name: group.fpr95_exact for name, group in {**computed, **sizes}.items()},
        "Voxels_Covered": {"true": result.true_voxels_covered, "anomalous": result.anomalous_voxels_covered},
    }


def _table(result: ProtocolResult, frames: int) -> str:
    groups = {"all frames": result.normality_included, "anomaly in view": result.anomalies_only}
    by_size = {f"  {size}": group for size, group in result.by_size.items()}
    rows = [_row(name, group) for name, group in {**groups, **by_size}.items()]
    header = f"{'':16}" + _line(COLUMNS)
    covered = f"{result.true_voxels_covered:.1%} of the true voxels, {result.anomalous_voxels_covered:.1%}"
    notes = [
        f"{frames} frames. Only voxels in both predictions and ground truth are scored (the last two columns count",
        f"them): the predictions cover {covered} of the anomalous ones.",
        "FPR95 is AnoVox's, in threshold steps of 0.01; exact FPR95 uses every threshold.",
    ]
    return "\n".join([header, *rows, "", *notes])


def _row(name: str, group: VoxelGroup | None) -> str:
    if group is None:
        return f"{name:16}   not computed: its shared voxels lack anomalous or normal ones"
    m = group.metrics
    numbers = (m.auroc, m.aupr, m.fpr95, group.fpr95_exact, m.specificity, m.f1_score, m.ppv)
    counts = (group.anomalous_voxels, group.normal_voxels)
    return f"{name:16}" + _line([f"{n:.4f}" for n in numbers] + [f"{n:,}" for n in counts])


def _line(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


if __name__ == "__main__":
    run_stage(main)
