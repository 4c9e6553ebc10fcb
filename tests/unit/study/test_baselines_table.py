"""Every baseline is named in the config's schema, and figures tell baselines apart."""

from pathlib import Path

import yaml

from denoising.study.baselines import BASELINES
from denoising.study.config import with_names

SCHEMA = Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml"


def test_the_schema_takes_the_names_of_baselines_from_their_table():
    schema = with_names(yaml.safe_load(SCHEMA.read_text()))
    assert schema["properties"]["baselines"]["items"]["enum"] == list(BASELINES)
    assert schema["properties"]["baselines"]["default"] == list(BASELINES)


def test_figures_tell_baselines_apart():
    looks = [(baseline.colour, baseline.marker) for baseline in BASELINES.values()]
    assert len({colour for colour, _ in looks}) == len(looks)
    assert len({marker for _, marker in looks}) == len(looks)
    assert len({baseline.label for baseline in BASELINES.values()}) == len(looks)


def test_a_baseline_is_known_by_its_name():
    assert all(baseline.name == name for name, baseline in BASELINES.items())
