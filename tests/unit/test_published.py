"""The published numbers kept in resources/: complete, unique, and as printed."""

from pathlib import Path

import pytest

from denoising.evaluation.scores import read_tidy

RESOURCES = Path(__file__).parents[2] / "resources"
SCORE_COLUMNS = [
    "source", "study", "model", "epochs", "batch_size", "steps_per_epoch", "tested_on",
    "condition", "output", "protocol", "metric", "mean", "sd", "note",
]  # fmt: skip
PLANARIA_MODELS = {
    "planaria", "planaria-100", "planaria-batch8", "planaria-batch32", "planaria-batch64",
    "planaria-steps100", "planaria-steps25",
}  # fmt: skip
ROWS = {
    ("planaria", "study2019"): {"", "tribolium", "tribolium-100"} | PLANARIA_MODELS,
    ("planaria", "paper"): {"", "planaria", "Noise2Same"},
    ("tribolium", "study2019"): {"", "planaria", "planaria-100", "tribolium", "tribolium-100"},
    ("tribolium", "paper"): {"", "tribolium"},
}


@pytest.fixture(scope="module")
def scores():
    return read_tidy(RESOURCES / "published_scores.csv")


@pytest.fixture(scope="module")
def runtimes():
    return read_tidy(RESOURCES / "published_runtimes.csv")


def test_scores_are_tidy_and_unique(scores):
    assert list(scores.columns) == SCORE_COLUMNS
    keys = ["source", "model", "tested_on", "condition", "output", "protocol", "metric"]
    assert not scores.duplicated(keys).any()
    assert len(scores) == 126
    assert set(scores["metric"]) == {"nrmse", "ssim", "psnr"}
    assert scores.loc[scores["metric"] != "psnr", "mean"].between(0, 1).all()
    assert ((scores["output"] == "input") == (scores["model"] == "")).all()


@pytest.mark.parametrize(("tested_on", "protocol"), ROWS)
def test_every_row_has_every_condition_and_metric(scores, tested_on, protocol):
    part = scores[(scores["tested_on"] == tested_on) & (scores["protocol"] == protocol)]
    part = part[part["metric"] != "psnr"]
    assert set(part["model"]) == ROWS[tested_on, protocol]
    for _, row in part.groupby("model"):
        assert sorted(zip(row["condition"], row["metric"], strict=True)) == [
            (condition, metric) for condition in "123" for metric in ("nrmse", "ssim")
        ]


@pytest.mark.parametrize(
    ("model", "tested_on", "condition", "protocol", "nrmse", "ssim"),
    [
        ("", "planaria", "1", "study2019", (0.19068, 0.0377), (0.10476, 0.0503)),
        ("planaria-100", "planaria", "1", "study2019", (0.02666, 0.0051), (0.91439, 0.0350)),
        ("planaria", "planaria", "3", "study2019", (0.04180, 0.0069), (0.81569, 0.0615)),
        ("planaria-batch8", "planaria", "3", "study2019", (0.04597, 0.0064), (0.73853, 0.0717)),
        ("planaria-batch64", "planaria", "2", "study2019", (0.03138, 0.0053), (0.88315, 0.0293)),
        ("planaria-steps25", "planaria", "2", "study2019", (0.03451, 0.0077), (0.84680, 0.0315)),
        ("tribolium-100", "planaria", "3", "study2019", (0.08098, 0.0108), (0.60831, 0.0982)),
        ("", "planaria", "2", "paper", (0.088184, None), (0.170711, None)),
        ("planaria", "planaria", "1", "paper", (0.037680, None), (0.707738, None)),
        ("Noise2Same", "planaria", "3", "paper", (0.07475, None), (0.2394, None)),
        ("tribolium-100", "tribolium", "1", "study2019", (0.09671, 0.0056), (0.33225, 0.0408)),
        ("planaria", "tribolium", "3", "study2019", (0.07203, 0.0042), (0.61165, 0.0499)),
        ("tribolium", "tribolium", "3", "paper", (0.023556, None), (0.922166, None)),
    ],
)
def test_values_as_printed(scores, model, tested_on, condition, protocol, nrmse, ssim):
    for metric, (mean, sd) in (("nrmse", nrmse), ("ssim", ssim)):
        names = ["model", "tested_on", "condition", "protocol", "metric"]
        row = scores
        for column, value in zip(
            names, (model, tested_on, condition, protocol, metric), strict=True
        ):
            row = row[row[column] == value]
        assert row["mean"].item() == mean
        assert row["sd"].item() == sd if sd is not None else row["sd"].isna().item()


def test_psnr_is_the_notebooks_beside_what_others_quote(scores):
    rows = scores[scores["metric"] == "psnr"]
    assert set(rows["model"]) == {"Noise2Same"}
    psnr = rows.pivot(index="source", columns="condition", values="mean")
    assert psnr.loc["Noise2Same notebook"].tolist() == [29.81, 27.25, 22.56]
    assert psnr.loc["Noise2Same paper, as quoted elsewhere"].tolist() == [29.48, 26.93, 22.41]


def test_swapped_roles_are_noted_where_they_were_swapped(scores):
    swapped = (scores["tested_on"] == "tribolium") & (scores["protocol"] == "study2019")
    assert (scores["note"].str.contains("truth and input swapped") == swapped).all()


def test_second_hand_values_are_noted(scores):
    quoted = scores["source"].str.contains("quote")
    assert (scores["note"].str.contains("second-hand") == quoted).all()


def test_settings_of_published_models(scores):
    known = scores[scores["epochs"].notna()].drop_duplicates("model").set_index("model")
    settings = known[["epochs", "batch_size", "steps_per_epoch"]].astype(int)
    assert settings.loc["planaria"].tolist() == [200, 16, 400]
    assert settings.loc["planaria-100"].tolist() == [100, 16, 400]
    assert settings.loc["planaria-batch64"].tolist() == [100, 64, 400]
    assert settings.loc["planaria-steps25"].tolist() == [100, 16, 25]
    assert settings.loc["tribolium-100"].tolist() == [100, 16, 400]


@pytest.mark.parametrize(
    ("source", "model", "printed", "hours"),
    [
        ("2019 study", "planaria-steps25", "0h51", 51 / 60),
        ("2019 study", "planaria-steps100", "1h29", 89 / 60),
        ("2019 study", "planaria-100", "4h00", 4),
        ("2019 study", "planaria-batch64", "14h28", 14 + 28 / 60),
        ("2019 study", "planaria", "7h57", 7.95),
        ("CARE paper", "planaria", "30h06", 30.1),
        ("CARE paper", "tribolium", "26h12", 26.2),
    ],
)
def test_runtimes_as_printed(runtimes, source, model, printed, hours):
    row = runtimes[runtimes["source"].str.startswith(source) & (runtimes["model"] == model)]
    assert row["hours"].item() == pytest.approx(hours, abs=1e-4)
    assert row["note"].item().startswith(printed)


def test_runtimes_are_complete_and_keep_discrepancies(runtimes):
    assert len(runtimes) == 12
    assert not runtimes.duplicated(["source", "model"]).any()
    assert "14h07" in runtimes.set_index("model").loc["planaria-batch64", "note"]


def test_every_file_is_described():
    text = (RESOURCES / "README.md").read_text(encoding="utf-8")
    assert all(path.name in text for path in RESOURCES.glob("*.csv"))
