"""The viewer's page of a test set: its columns, its tables of scores, and what it says of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from denoising.report.viewer_sections import PLACE, SSIM_STEP
from denoising.restoration.viewer_page import LEVELS, PAGE_BYTES
from denoising.study.metrics import METRICS, SHOWN, TABULATED
from denoising.study.names import TRUTH


def page_data(
    sections: Mapping[str, Any],
    methods: Mapping[str, tuple[str, str]],
    first: str,
    conditions: Mapping[str, str],
    scores: pd.DataFrame,
) -> dict[str, Any]:
    """The data of a page, without title, note and what it leaves out.

    Parameters
    ----------
    sections : mapping
        As `viewer.sections_of_test_set` makes them.
    methods : mapping
        Label, and words below it, by name; the input first.
    first : str
        The method that sorts the tables at first.
    conditions : mapping
        Labels by name.
    scores : DataFrame
        method, condition, volume, metric and value under the CARE paper's protocol.
    """
    shown = [volume["name"] for volume in sections["volumes"]]
    columns = {**methods, TRUTH: ("ground truth", "")}
    return {
        **sections,
        "noun": "volume",
        "has_truth": True,
        "conditions": list(conditions.values()),
        "methods": [
            {"name": name, "label": label, "words": words}
            for name, (label, words) in columns.items()
        ],
        "columns": [{"label": label, "method": name} for name, (label, _) in methods.items()],
        "sort": list(methods).index(first),
        "tables": list(_tables(scores, list(methods), list(conditions), shown)),
        "unit": "the ground truth's range",
        "most": 0.2,
        "scale_label": "Predicted error",
        "scale_words": "the scale that the network predicts, in the colours of the error",
        "table_words": "Scores of whole volumes, as in the CARE paper. The best of a row is bold. A"
        " click on a score shows its volume; a click on a name sorts by its column.",
        "worst_words": f"windows of {PLACE} x {PLACE} pixels of a plane by their root mean squared "
        "error, each once, in its worst condition and plane. A click shows the window. A click on "
        "another name in the table of scores lists those of another column.",
    }


def _tables(
    scores: pd.DataFrame, methods: list[str], conditions: list[str], shown: list[str]
) -> Iterator[dict[str, Any]]:
    """A table of every volume for each metric."""
    for metric in (METRICS[name] for name in TABULATED):
        rows = scores[scores["metric"] == metric.name]
        wide = rows.pivot(index=["volume", "condition"], columns="method", values="value")
        table = [
            {
                "volume": shown.index(volume) if volume in shown else None,
                "name": volume,
                "condition": conditions.index(condition),
                "values": [f"{value:.{metric.decimals}f}" for value in values],
            }
            for (volume, condition), values in zip(
                wide.index, wide[methods].to_numpy(), strict=True
            )
        ]
        yield {
            "label": metric.label,
            "best": metric.best,
            "in_heads": metric.name in SHOWN,
            "rows": table,
        }


def words_of(data: Mapping[str, Any], first: str, left_out: Sequence[str]) -> list[str]:
    """Paragraphs that say how a page was made, and what it leaves out: networks, and parts.

    `first` is the method by whose errors volumes and windows were chosen.
    """
    low, high = LEVELS["image"].low, LEVELS["image"].high
    words = [
        "Grey scale: 0 and 1 are the percentiles 0.1 and 99.9 of the ground truth's volume. "
        "Restorations are fitted to the ground truth of the whole volume by least squares, as in "
        "the CARE paper's protocol. The input is shown by its own percentiles 0.1 and 99.9; for "
        "its error it is fitted like the others.",
        f"Sections have 8 bits, from {low:g} to {high:g} of this scale: contrast stretches these "
        "256 levels, what lies beyond them is cut, and errors below 0.01 are not resolved.",
        "The local SSIM is that of the CARE paper's protocol, in windows of 7 voxels, at every "
        f"{SSIM_STEP}nd pixel; negative values are shown as 0.",
    ]
    if left_out:
        words.append(
            f"Networks not shown: {', '.join(left_out)}. Their scores stand in the study's tables."
        )
    size = f"A page has about {PAGE_BYTES / 1e6:.0f} MB at most. "
    count = len({row["name"] for row in data["tables"][0]["rows"]})
    if len(data["volumes"]) < count:
        words.append(
            f"{size}It shows {len(data['volumes'])} of {count} volumes, evenly chosen by the error "
            f"of {first} from the worst to the best; the table lists all."
        )
    if any(volume["is_cut"] for volume in data["volumes"]):
        words.append(
            f"{size}It shows evenly chosen planes of large volumes, and a window of these around "
            f"the largest error of {first}; the section XZ goes through this error."
        )
    return words
