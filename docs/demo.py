"""Bring picture, tables and numbers of a finished default study into README and docs: `make docs`.

Copies what the pages cite from results/ to docs/demo/, with the screenshots of
`STUDY_RESULTS=results make test-browser`, and writes its numbers into their sentences,
whose words stay: read them again. A sentence whose words change is to be changed here, too.
"""

import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pandas as pd
from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))
from denoising.study.baselines import BASELINES  # noqa: E402

DEMO = ROOT / "docs/demo"
TABLES = ["table1_planaria", "comparisons", "verdicts", "nuclei", "resolution", "calibration"]
TABLES += ["why_the_numbers_differ"]
FILTERS = [baseline.label for baseline in BASELINES.values()]
# The cleanest first
CONDITIONS = {"planaria": ["c1", "c2", "c3"], "tribolium": ["c3", "c2", "c1"]}
WIDTH = 800  # pixels of a picture
FIELD = r"([-\w.]*\w)"

Sentence = tuple[str, str, list[float | str]]


def bring(results: Path) -> None:
    """Copy tables, picture and commit of a finished run to docs/demo/."""
    DEMO.mkdir(exist_ok=True)
    for name in TABLES:
        shutil.copy(results / f"tables/{name}.csv", DEMO)
    pictures = {
        "restoration": results / "figures/fig2_restoration.png",
        "report": ROOT / "screenshots/report.png",
        "viewer": ROOT / "screenshots/viewer-planaria.png",
    }
    missing = [str(path) for path in pictures.values() if not path.is_file()]
    if missing:
        sys.exit(
            f"{', '.join(missing)}: there is no such picture; run `make demo`, then"
            " `make test-browser STUDY_RESULTS=results`, which takes screenshots of its report."
        )
    for name, path in pictures.items():
        with Image.open(path) as picture:
            height = round(picture.height * WIDTH / picture.width)
            small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
        small.quantize(256).save(DEMO / f"{name}.png", optimize=True)
    provenance = json.loads((results / "provenance.json").read_text())
    origin = {name: provenance[name] for name in ("commit", "python", "platform", "seeds")}
    (DEMO / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n")


def sentences() -> Iterator[Sentence]:
    """Each sentence of the pages that holds numbers of the run: page, words with a field for each
    number, numbers.
    """
    tables = {name: pd.read_csv(DEMO / f"{name}.csv") for name in TABLES}
    yield from _of_scores(tables)
    yield from _of_resolution(tables["resolution"])
    yield from _of_nuclei(tables["nuclei"])
    yield from _of_calibration(tables["calibration"])
    yield from _of_protocols(tables["why_the_numbers_differ"])


def _of_scores(tables: dict[str, pd.DataFrame]) -> Iterator[Sentence]:
    verdicts = tables["verdicts"]
    models = verdicts["method"].nunique()
    yield "README.md", "`make demo` trains {} models", [models]
    yield "docs/performance.md", "`make demo`: {} models of the default study", [models]
    planaria = tables["table1_planaria"].query("protocol == 'paper' and source == 'ours'")
    noisiest = planaria.set_index("method")["c3_nrmse_mean"]
    yield (
        "README.md",
        "NRMSE in planaria's noisiest condition: input {:.3f}, best filter {:.3f}, network {:.3f}",
        [noisiest["input"], noisiest[FILTERS].min(), noisiest["planaria"]],
    )
    for dataset in CONDITIONS:
        values = [_lead(tables["comparisons"], dataset, "nrmse", c)[0] for c in CONDITIONS[dataset]]
        values += [_lead(tables["comparisons"], dataset, "ssim", c)[0] for c in CONDITIONS[dataset]]
        row = f"| {dataset} | {{:.4f}}, {{:.4f}}, {{:.4f}} | {{:.3f}}, {{:.3f}}, {{:.3f}} |"
        yield "docs/scores.md", row, values
    yield (
        "docs/scores.md",
        "its 95 % intervals over four volumes are {:.5f} to {:.5f} in NRMSE and {:.3f} to {:.3f}",
        [
            *_lead(tables["comparisons"], "planaria", "nrmse", "c1")[1:],
            *_lead(tables["comparisons"], "planaria", "ssim", "c1")[1:],
        ],
    )
    means = verdicts.query("tested_on.str.startswith('planaria')").set_index("method")
    yield (
        "docs/scores.md",
        "`planaria-steps25` makes 120 updates and has an NRMSE of {:.4f}, the input {:.4f}",
        [means["nrmse"]["planaria-steps25"], means["input_nrmse"].iloc[0]],
    )
    yield (
        "docs/scores.md",
        "**Two training volumes are as good as sixteen here**: NRMSE {:.4f} and {:.4f}",
        [means["nrmse"]["planaria-volumes2"], means["nrmse"]["planaria-100"]],
    )


def _lead(comparisons: pd.DataFrame, dataset: str, metric: str, condition: str) -> list[float]:
    """The smallest lead over a filter of the network of a dataset on its own test volumes, and the
    ends of its interval.
    """
    rows = comparisons.query("protocol == 'paper' and tested_on == method == @dataset")
    rows = rows[rows["reference"].isin(FILTERS)]
    names = [f"{condition}_{metric}_{name}" for name in ("difference", "low", "high")]
    values = rows[names].set_axis(["lead", "low", "high"], axis=1)
    if metric == "nrmse":
        values = -values.rename(columns={"low": "high", "high": "low"})
    return values.loc[values["lead"].idxmin(), ["lead", "low", "high"]].tolist()


def _of_resolution(table: pd.DataFrame) -> Iterator[Sentence]:
    columns = ["c1_resolution_xy_mean", "c1_detail_xy_mean"]
    shown = {"input": "input", "Gaussian filter": "Gaussian", "network of the organism": ""}
    for label, name in shown.items():
        values = [
            value
            for dataset in CONDITIONS
            for value in _row(table, tested_on=dataset, method=name or dataset)[columns]
        ]
        yield "docs/scores.md", f"| {label} | {{:.2f}} | {{:.2f}} | {{:.2f}} | {{:.2f}} |", values


def _of_nuclei(table: pd.DataFrame) -> Iterator[Sentence]:
    names = ["input", "Gaussian", "planaria"]
    of_planaria, of_tribolium = (
        table[table["tested_on"] == dataset].set_index("method") for dataset in CONDITIONS
    )
    yield (
        "docs/scores.md",
        "In the noisiest condition F1 is {:.2f} for the input, {:.2f} for the Gaussian filter and"
        " {:.2f} for the network.",
        of_planaria.loc[names, "c3_f1_mean"].tolist(),
    )
    yield (
        "docs/scores.md",
        "Its precision is {:.2f} (the filter's {:.2f}, the input's {:.2f}), its recall {:.2f}"
        " ({:.2f} and {:.2f}).",
        [*of_planaria.loc[names[::-1], ["c3_precision_mean", "c3_recall_mean"]].to_numpy().T.flat],
    )
    cleanest = of_planaria.loc[names, "c1_f1_mean"]
    yield (
        "docs/scores.md",
        "In the cleanest condition all three have an F1 of {:.2f} to {:.2f}, and the recall falls"
        " from the input's {:.2f} to {:.2f}.",
        [cleanest.min(), cleanest.max(), *of_planaria["c1_recall_mean"][["input", "planaria"]]],
    )
    f1 = of_tribolium.loc[["input", "Gaussian", "tribolium"], ["c1_f1_mean", "c3_f1_mean"]]
    yield (
        "docs/scores.md",
        "Tribolium's nuclei are large, and all three have an F1 of {:.2f} or more.",
        [math.floor(f1.to_numpy().min() * 100) / 100],
    )


def _of_calibration(table: pd.DataFrame) -> Iterator[Sentence]:
    columns = [f"{condition}_inside_mean" for condition in CONDITIONS["planaria"]]
    index = ["tested_on", "method", "trained_on"]
    long = table.melt([*index, "intervals"], columns)
    share = 100 * long.pivot(index=[*index, "variable"], columns="intervals", values="value")
    is_nearer = (share["rescaled"] - 95).abs() < (share["predicted"] - 95).abs()
    is_own = share.index.get_level_values("tested_on") == share.index.get_level_values("trained_on")
    below = []
    for name, chosen in {"their own organism": is_own, "the other organism": ~is_own}.items():
        rows = share[chosen]
        values = [
            value
            for intervals in ("predicted", "rescaled")
            for value in rows[intervals].agg(["min", "max", "median"])
        ]
        spread = "{:.1f} to {:.1f} %, median {:.1f} %"
        row = f"| {name} | {{}} | {spread} | {spread} | in {{}} of {{}} |"
        counts = [int(is_nearer[chosen].sum()), len(rows)]
        yield "docs/scores.md", row, [len(rows), *values, *counts]
        below += [int((rows["rescaled"] < 95).sum()), len(rows)]
    worst = share["rescaled"].idxmin()
    yield (
        "docs/scores.md",
        "less than 95 % in {} of the {} means, and in {} of the {}. The lowest, {:.1f} %, is that"
        " of `{}`",
        [*below, share["rescaled"].min(), worst[index.index("method")]],
    )


def _of_protocols(table: pd.DataFrame) -> Iterator[Sentence]:
    row = _row(table, tested_on="planaria", method="planaria", step=1)
    nrmse, psnr, ssim = ("c1_nrmse_mean", "c1_psnr_mean", "c1_ssim_mean")
    yield "docs/published.md", "| 2019 study | {:.3f} | | {:.3f} |", [row[nrmse], row[ssim]]
    for name, step in {"CARE paper": 4, "ZeroCostDL4Mic": 5}.items():
        row = _row(table, tested_on="planaria", method="planaria", step=step)
        words = f"| {name} | {{:.3f}} | {{:.1f}} dB | {{:.3f}} |"
        yield "docs/published.md", words, [row[nrmse], row[psnr], row[ssim]]
    row = _row(table, tested_on="planaria", method="planaria", step=6)
    yield "docs/published.md", "| UniFMIR | | {:.1f} dB | {:.3f} |", [row[psnr], row[ssim]]


def _row(table: pd.DataFrame, **where: str | int) -> pd.Series:
    """The row with these values."""
    for column, value in where.items():
        table = table[table[column] == value]
    return table.iloc[0]


def pattern(words: str) -> str:
    """What finds a sentence in a page, whatever its numbers and line breaks."""
    literals = [literal for literal, *_ in Formatter().parse(words)]
    return FIELD.join(re.sub(r"(\\ )+", r"\\s+", re.escape(literal)) for literal in literals) + (
        FIELD if words.endswith("}") else ""
    )


def with_numbers(text: str, words: str, values: list[float | str]) -> str:
    """The page's text with these values in the fields of this sentence.

    Raises ValueError if the sentence does not stand in the page once.
    """
    found = list(re.finditer(pattern(words), text))
    if len(found) != 1:
        raise ValueError(
            f"found {len(found)} times, expected once: {words!r}; change docs/demo.py as the page"
        )
    formats = [form for _, field, form, _ in Formatter().parse(words) if field is not None]
    for number in reversed(range(len(formats))):
        start, end = found[0].span(number + 1)
        text = text[:start] + format(values[number], formats[number]) + text[end:]
    return text


def main() -> None:
    bring(Path(sys.argv[1] if len(sys.argv) > 1 else "results"))
    for page, words, values in sentences():
        path = ROOT / page
        path.write_text(with_numbers(path.read_text(), words, values))


if __name__ == "__main__":
    main()
