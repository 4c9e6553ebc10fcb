"""Where tables and figures stand in the report, and what it says they show."""

from made_up import study_of

from denoising.study import categories
from denoising.study.products import figures, tables

STUDY = study_of(
    {
        "main": {
            "tested_on": ["planaria", "tribolium"],
            "models": {
                "care": {"trained_on": "planaria", "seeds": [1, 2]},
                "other": {"trained_on": "tribolium"},
            },
        }
    }
)


def test_every_category_has_a_place():
    products = tables(STUDY) + figures(STUDY)
    assert {product.category for product in products} <= set(categories.ORDER)


def test_a_study_that_replicates_nothing_has_its_own_images():
    own = study_of({"main": {"models": {"care": {"trained_on": "mine"}}}}, datasets=MINE)
    assert categories.category_in(own, categories.REPLICATION) == "Own images"
    assert categories.category_in(own, categories.BIOLOGY) == "Biology"
    assert categories.category_in(STUDY, categories.REPLICATION) == "Replication"


MINE = {"mine": {"pairs": {"low": "a/*.tif", "high": "b/*.tif"}, "patches": {"shape": [32, 32]}}}


def test_what_is_shown_is_read_from_the_names_of_the_inputs():
    paths = [f"results/scores/{method}/planaria.csv" for method in ("care-seed1", "input")]
    shown = {"organism": "planaria", "condition": "C1, C2, C3", "model": "care"}
    assert categories.shown({"scores": paths}, STUDY) == shown
    histories = {"histories": ["results/models/other/history.csv"]}
    assert categories.shown(histories, STUDY)["organism"] == "tribolium"
    everything = categories.shown({"scores": "results/scores.csv"}, STUDY)
    assert everything["model"] == "care, other"
    assert everything["organism"] == "planaria, tribolium"
