"""How a config's layers make a model: its own settings win over its base's, those over the
config's, and those over the schema's defaults; and a resolved config is a config again.
"""

import copy

import drawn_examples  # noqa: F401  # how hypothesis draws
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import CONFIG, SCHEMA

from denoising.study.config import resolve
from denoising.study.validation import fill_in

few = settings(max_examples=40)
PROPERTIES = SCHEMA["properties"]["training"]["properties"]
DEFAULTS = {name: key["default"] for name, key in PROPERTIES.items() if name != "seeds"}
VALUES = {
    "width": st.integers(1, 64),
    "depth": st.integers(1, 3),
    "kernel": st.sampled_from([3, 5, 7]),
    "loss": st.sampled_from(["laplace", "mae", "mse"]),
    "epochs": st.integers(1, 500),
    "batch_size": st.integers(1, 64),
    "learning_rate": st.floats(1e-6, 1, exclude_min=True).filter(lambda x: not x.is_integer()),
    "schedule": st.sampled_from(["plateau", "cosine"]),
    "split": st.sampled_from(["tail", "random"]),
    "augment": st.booleans(),
    "validation_patches": st.none() | st.integers(1, 99),
    "early_stopping_patience": st.none() | st.integers(1, 99),
}
LAYER = st.fixed_dictionaries({}, optional=VALUES)


def config_of(shared, base, own):
    """A config with a base model and one that differs from it, both trained on planaria."""
    config = yaml.safe_load(CONFIG)
    config["training"] = {"trained_on": "planaria"} | shared
    config["studies"] = {
        "one": {"models": {"base": base}},
        "two": {"base": "base", "models": {"own": own or None}},
    }
    return config


@given(LAYER, LAYER, LAYER)
def test_the_nearest_layer_wins(shared, base, own):
    models = resolve(config_of(shared, base, own), SCHEMA).models
    lowest = DEFAULTS | {"trained_on": "planaria"} | shared
    assert vars(models["base"].training) == lowest | base
    assert vars(models["own"].training) == lowest | base | own


@given(LAYER, LAYER, LAYER)
def test_a_resolved_config_is_a_config_again_and_the_same_study(shared, base, own):
    """As results/config.yaml has it."""
    study = resolve(config_of(shared, base, own), SCHEMA)
    written = yaml.safe_load(yaml.safe_dump(study.config, sort_keys=False))
    assert resolve(written, SCHEMA) == study


@few
@given(LAYER, LAYER, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(shared, own, random):
    config = config_of(shared, {}, own)
    assert resolve(shuffled(config, random), SCHEMA) == resolve(config, SCHEMA)


def shuffled(values, random):
    """The same mappings in another order, but for models, whose order is that of tables."""
    if not isinstance(values, dict):
        return values
    keys = list(values)
    if not {"one", "two"} & set(keys):
        random.shuffle(keys)
    return {key: shuffled(values[key], random) for key in keys}


@few
@given(LAYER, LAYER, LAYER)
def test_resolving_changes_neither_the_config_nor_the_schema(shared, base, own):
    config, schema = config_of(shared, base, own), copy.deepcopy(SCHEMA)
    before = copy.deepcopy(config)
    resolve(config, schema)
    assert (config, schema) == (before, SCHEMA)


@few
@given(LAYER)
def test_filling_in_keeps_what_is_given_and_fills_in_only_once(shared):
    config = config_of(shared, {}, {})
    filled = fill_in(config, SCHEMA)
    assert fill_in(filled, SCHEMA) == filled
    assert contains(filled, config)
    for name, default in DEFAULTS.items():
        assert filled["training"][name] == ({"trained_on": "planaria"} | shared).get(name, default)


def contains(filled, given_values):
    """Whether every value that is given is there."""
    if isinstance(given_values, dict):
        return all(contains(filled[key], value) for key, value in given_values.items())
    if isinstance(given_values, list):
        return all(contains(*both) for both in zip(filled, given_values, strict=True))
    return filled == given_values
