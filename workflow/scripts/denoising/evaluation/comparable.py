"""Which published numbers may stand beside which: those of one protocol and one test set.

`resources/published_protocols.csv`, a row per source: source, tested_on, protocol, what is scored
(`ASPECTS`), and the code it was read from.
"""

import pandas as pd

from denoising.study.metrics import METRICS, PROTOCOLS
from denoising.study.study import Study

ASPECTS = ("images", "scaling", "nrmse", "psnr", "ssim")
PAPER = "CARE paper"
OURS = "this study"


def with_ours(published: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Add this study's rows, one per protocol; simulated specimens are test sets of their own."""
    shown = [study.datasets[name] for name in study.published_datasets]
    real = [dataset.published for dataset in shown if not dataset.is_simulated]
    tested_on = " and ".join(dict.fromkeys(filter(None, real))) or "simulated specimens"
    rows = []
    for name in study.protocols:
        alike = published[published["protocol"] == name].iloc[0]
        code = PROTOCOLS[name].label
        rows.append({**alike, "source": f"{OURS}, {name}", "tested_on": tested_on, "code": code})
    return pd.concat([published, pd.DataFrame(rows)], ignore_index=True)


def comparable(sources: pd.DataFrame) -> pd.DataFrame:
    """Add `beside`, the sources that each may stand beside, and `why_not`, beside the paper's.

    Parameters
    ----------
    sources : DataFrame
        source, tested_on, protocol and `ASPECTS`.

    Returns
    -------
    DataFrame
        `beside` names sources of the same protocol that share a test set, or is "none"; `why_not`
        names what differs from the CARE paper's protocol, or from its test sets.
    """
    paper = sources[sources["source"] == PAPER].iloc[0]
    return sources.assign(
        beside=[_beside(row, sources) for _, row in sources.iterrows()],
        why_not=[_why_not(row, paper) for _, row in sources.iterrows()],
    )


def _test_sets(row: pd.Series) -> set[str]:
    return set(row["tested_on"].split(" and "))


def _beside(row: pd.Series, sources: pd.DataFrame) -> str:
    names = [
        other["source"]
        for _, other in sources.iterrows()
        if other["source"] != row["source"]
        and other["protocol"] == row["protocol"]
        and _test_sets(other) & _test_sets(row)
    ]
    return "; ".join(names) or "none"


def _why_not(row: pd.Series, paper: pd.Series) -> str:
    differing = [
        METRICS[name].label if name in METRICS else name
        for name in ASPECTS
        if row[name] not in (paper[name], "none")
    ]
    missing = [METRICS[name].label for name in METRICS if row.get(name) == "none"]
    parts = [f"other {', '.join(differing)}" if differing else ""]
    parts += [f"no {', '.join(missing)}" if missing else ""]
    parts += ["other test set" if not _test_sets(row) & _test_sets(paper) else ""]
    return "; ".join(part for part in parts if part)
