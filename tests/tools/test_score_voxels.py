"""`python -m tools.score_voxels`: AnoVox's numbers from AnoVox's files, and a sentence for every mistake."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from lib.common.errors import run_stage
from tools.score_voxels import main

GOLDEN = Path(__file__).parents[1] / "golden" / "benchmark"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


@pytest.fixture
def folder(tmp_path):
    """A copy of the benchmark, to damage."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "bench mark [1]"))


@pytest.fixture
def score(monkeypatch, capsys):
    def run(folder, *options):
        paths = ("--predictions", "preds", "--ground-truth", "gts", "--frames", "frames.json")
        words = [word if word.startswith("--") else str(folder / word) for word in paths]
        monkeypatch.setattr(sys, "argv", ["score_voxels", *words, *options])
        main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def fails(score, capsys):
    def run(folder, *options):
        with pytest.raises(SystemExit) as caught:
            run_stage(lambda: print(score(folder, *options)))
        assert caught.value.code == 1
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: ") and len(err.splitlines()) == 1
        return err.removeprefix("error: ").removesuffix("\n")

    return run


def test_json_holds_the_numbers_of_anovox_own_script(score):
    found = json.loads(score(GOLDEN, "--json"))
    for name, numbers in EXPECTED.items():
        assert set(found[name]) == set(numbers)
    for name in ("Normality_Included", "Anomalies_Only"):
        assert found[name] == pytest.approx(EXPECTED[name], abs=1e-9)
    for size, numbers in EXPECTED["Detection_Results_by_Anomaly_Size"].items():
        assert found["Detection_Results_by_Anomaly_Size"][size] == pytest.approx(numbers, abs=1e-9)


def test_beside_them_stand_the_exact_fpr95_and_the_coverage(score):
    found = json.loads(score(GOLDEN, "--json"))
    scores, labels, true = [], [], []
    for number in json.loads((GOLDEN / "frames.json").read_text()):
        predicted = {tuple(row[:3]): row[3] for row in np.load(GOLDEN / f"preds/pred_{number}.npy").tolist()}
        for *voxel, class_id in np.load(GOLDEN / f"gts/gt_{int(number):06}.npy").tolist():
            true.append(class_id == 33)
            if tuple(voxel) in predicted:
                scores.append(predicted[tuple(voxel)])
                labels.append(class_id == 33)
    rates = roc_curve(labels, scores, drop_intermediate=False)
    assert found["Exact_FPR95"]["Normality_Included"] == pytest.approx(rates[0][rates[1] >= 0.95][0], abs=1e-12)
    assert found["Voxels_Covered"]["true"] == pytest.approx(len(labels) / len(true), abs=1e-12)
    assert found["Voxels_Covered"]["anomalous"] == pytest.approx(sum(labels) / sum(true), abs=1e-12)


def test_the_table_for_the_eye(score):
    lines = score(GOLDEN).splitlines()
    assert lines[0].split() == [
        "AUROC",
        "AUPR",
        "FPR95",
        "exact",
        "FPR95",
        "specificity",
        "F1",
        "PPV",
        "anomalous",
        "normal",
    ]
    assert lines[1].split()[:5] == ["all", "frames", "0.7906", "0.1061", "0.7144"]
    assert [line.split()[0] for line in lines[3:7]] == ["Tiny", "Small", "Medium", "Big"]
    assert "15 frames" in lines[8] and "86.0% of the true voxels, 86.5% of the anomalous ones" in lines[9]


def test_other_ids_names_orders_and_raw_scores(score, folder):
    generator = np.random.default_rng(1)
    for path in sorted(folder.glob("gts/*.npy")):
        truth = np.load(path)
        truth[truth[:, 3] == 33, 3] = generator.choice([29, 100], (truth[:, 3] == 33).sum())
        np.save(path, generator.permutation(truth).astype(np.int32))
        path.rename(path.with_name(f"VOXEL_GRID_{int(path.stem[3:])}.npy"))
    for path in folder.glob("preds/*.npy"):
        predicted = np.load(path)
        predicted[:, 3] = np.log(predicted[:, 3] + 1e-9) - np.log1p(1e-9 - predicted[:, 3])
        np.save(path, predicted)
    found = json.loads(score(folder, "--json", "--sigmoid", "--anomaly-id", "29", "100"))
    assert found["Anomalies_Only"] == pytest.approx(EXPECTED["Anomalies_Only"], abs=1e-6)


def test_a_group_that_cannot_be_computed_is_left_out(score, folder):
    table = json.loads((folder / "frames.json").read_text())
    for facts in table.values():
        facts["anomaly_in_view"] = False
    (folder / "frames.json").write_text(json.dumps(table))
    found = json.loads(score(folder, "--json"))
    assert found["Normality_Included"] == pytest.approx(EXPECTED["Normality_Included"], abs=1e-9)
    assert "Anomalies_Only" not in found and found["Detection_Results_by_Anomaly_Size"] == {}
    assert "anomaly in view    not computed" in score(folder)


def save(name, change):
    def damage(folder):
        path = folder / name
        np.save(path, change(np.load(path)))

    return damage


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def with_value(column, value):
    def change(array):
        array = array.copy()
        array[0, column] = value
        return array

    return change


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda f: (f / "preds/pred_103.npy").unlink(), "preds: holds no prediction for frame 103, which"),
        (lambda f: [p.unlink() for p in f.glob("gts/*0[0-4].npy")], "no ground truth for frame 100 (and for 4 more)"),
        (lambda f: shutil.rmtree(f / "gts"), "gts: there is no such folder of ground truth files"),
        (write("preds/pred_7.npy", b""), "preds/pred_7.npy: frame 7 is not in"),
        (write("gts/gt_000007.npy", b""), "gts/gt_000007.npy: frame 7 is not in"),
        (write("preds/pred_0100.npy", b""), "pred_100.npy: frame 100 is also in pred_0100.npy; remove one of them"),
        (write("preds/mean.npy", b""), "preds/mean.npy: its name does not end with a frame number"),
        (write("preds/pred_100.npy", b""), "preds/pred_100.npy: not a readable .npy array"),
        (write("preds/pred_100.npy", b"\x93NUMPY\x01\x00v\x00{'descr'"), "pred_100.npy: not a readable .npy array"),
        (save("preds/pred_101.npy", lambda a: np.array([{}])), "pred_101.npy: the array holds pickled Python objects"),
        (save("preds/pred_101.npy", lambda a: a[:, :3]), "float64 array of shape (331, 3), expected numbers of shape"),
        (save("preds/pred_101.npy", with_value(3, np.nan)), "pred_101.npy: holds NaN or infinite values"),
        (save("preds/pred_101.npy", with_value(3, 1.5)), "but AnoVox's thresholds lie between 0 and 1; scale"),
        (save("preds/pred_101.npy", with_value(0, 3.25)), "are not whole numbers; give ix, iy, iz, not metres"),
        (save("preds/pred_101.npy", with_value(2, 64)), "holds a voxel outside the grid of (1000, 1000, 64)"),
        (save("preds/pred_101.npy", with_value(1, -1)), "holds a voxel outside the grid of (1000, 1000, 64)"),
        (save("preds/pred_101.npy", lambda a: a[[0, 1, 0]]), "holds a voxel more than once; give each voxel one row"),
        (save("gts/gt_000101.npy", lambda a: a.astype(float)), "gt_000101.npy: float64 numbers where voxels and class"),
        (save("gts/gt_000101.npy", lambda a: a[:0]), "gt_000101.npy: holds no voxel"),
        (lambda f: (f / "frames.json").unlink(), "frames.json: cannot be read (No such file or directory)"),
        (write("frames.json", b"{"), "frames.json: Invalid JSON"),
        (write("frames.json", b"{}"), "frames.json: names no frame"),
        (write("frames.json", b'{"a": {"anomaly_in_view": true}}'), "frames.json: frame a: Input should be a valid in"),
        (
            write("frames.json", b'{"1": {"anomaly_in_view": true}, "01": {"anomaly_in_view": false}}'),
            "frames.json: names frame 1 more than once; remove one of them",
        ),
        (
            write("frames.json", b'{"1": {"anomaly_in_view": true, "sise": "Tiny"}}'),
            "frame 1 sise: Extra inputs are not",
        ),
        (write("frames.json", b'{"1": {}}'), "frames.json: frame 1 anomaly_in_view: Field required"),
        (write("frames.json", b'{"1": {"anomaly_in_view": 1}}'), "frame 1 anomaly_in_view: Input should be a valid bo"),
        (
            write("frames.json", b'{"1": {"anomaly_in_view": true, "size": "Vast"}}'),
            "frame 1 size: must be one of Tiny, Small, Medium, Big, Huge, or null",
        ),
    ],
)
def test_bad_input_ends_with_one_sentence(folder, fails, damage, words):
    damage(folder)
    assert words in fails(folder)


def test_nothing_to_score_is_an_error(folder, fails):
    assert "(class id 30, 31) and normal, so nothing can be scored" in fails(folder, "--anomaly-id", "30", "31")


def test_predictions_without_a_voxel_cover_nothing(folder, score):
    before = json.loads(score(folder, "--json"))
    save("preds/pred_102.npy", lambda a: a[:0])(folder)
    after = json.loads(score(folder, "--json"))
    assert after["Anomalies_Only"] == before["Anomalies_Only"]
    assert after["Voxels_Covered"]["true"] < before["Voxels_Covered"]["true"]
