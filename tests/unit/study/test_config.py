"""What a config means: the published study, what resolves by config alone, and what is refused in
one sentence.
"""

import copy
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from made_up_networks import save_network

from denoising.study import categories
from denoising.study.config import resolve
from denoising.study.datasets import SOURCES
from denoising.study.errors import StudyError
from denoising.study.exposures import exposed_datasets, own_models
from denoising.study.products import figures, tables
from denoising.study.study import Run
from denoising.study.training import Compute
from denoising.study.validation import check_yaml

ROOT = Path(__file__).parents[3]
SHIPPED = ("config/config.yaml", "config/paper.yaml")

# Name: dataset, batch size, steps per epoch, epochs
PUBLISHED = {
    "planaria": ("planaria", 16, 400, 200),
    "tribolium": ("tribolium", 16, 400, 200),
    "planaria-100": ("planaria", 16, 400, 100),
    "tribolium-100": ("tribolium", 16, 400, 100),
    "planaria-batch8": ("planaria", 8, 400, 100),
    "planaria-batch32": ("planaria", 32, 400, 100),
    "planaria-batch64": ("planaria", 64, 400, 100),
    "planaria-steps25": ("planaria", 16, 25, 100),
    "planaria-steps100": ("planaria", 16, 100, 100),
}
# The second arms, of as many patches as planaria-100 sees; the 2019 study had none
MATCHED = {
    "planaria-batch8-matched": ("planaria", 8, 800, 100),
    "planaria-batch32-matched": ("planaria", 32, 200, 100),
    "planaria-batch64-matched": ("planaria", 64, 100, 100),
    "planaria-steps25-matched": ("planaria", 16, 25, 1600),
    "planaria-steps100-matched": ("planaria", 16, 100, 400),
}
MATCHED_ARMS = {
    "fig4_batch_size": [
        "planaria-batch8-matched", "planaria-100", "planaria-batch32-matched",
        "planaria-batch64-matched",
    ],
    "fig5_steps_per_epoch": [
        "planaria-steps25-matched", "planaria-steps100-matched", "planaria-100",
    ],
}  # fmt: skip
VARIED = ("trained_on", "batch_size", "steps_per_epoch", "epochs")
BATCHES = ["planaria-batch8", "planaria-100", "planaria-batch32", "planaria-batch64"]
# The default study's own sweep
VOLUMES = {"planaria-volumes2": 2, "planaria-volumes4": 4, "planaria-volumes8": 8}
STEPS = ["planaria-steps25", "planaria-steps100", "planaria-100"]

SMALL = """
title: A small study
datasets:
  worms:
    archive: {path: worms.tar.gz}
    conditions: [{name: "1", source: low}]
    patches: {shape: [16, 32, 32]}
  flies:
    archive: {url: "https://example.org/flies.tar.gz"}
    layout: stacks
    truth: 1
    conditions: [{name: "1", source: 0}]
    patches: {shape: [16, 32, 32], source: npz}
  beads:
    simulate: {species: planaria}
    conditions: [{name: "1", source: condition_1}]
    patches: {shape: [16, 32, 32]}
  own:
    pairs: {low: "raw/*.tif", high: "clean/*.tif", axes: YX}
    patches: {shape: [64, 64]}
studies:
  main:
    models:
      worms: {trained_on: worms}
      flies: {trained_on: flies}
      own: {trained_on: own}
  batches:
    base: worms
    varies: batch_size
    models:
      worms-32: {batch_size: 32}
      worms-4: {batch_size: 4}
"""


def names(products):
    """Names of tables or figures."""
    return {product.name for product in products}


def read(name):
    return yaml.safe_load((ROOT / name).read_text())


SCHEMA = read("workflow/schemas/config.schema.yaml")


@pytest.fixture
def schema():
    return copy.deepcopy(SCHEMA)


@pytest.fixture
def config():
    return yaml.safe_load(SMALL)


@pytest.fixture(scope="module")
def published():
    return resolve(read("config/paper.yaml"), copy.deepcopy(SCHEMA))


@pytest.fixture(scope="module")
def default():
    return resolve(read("config/config.yaml"), copy.deepcopy(SCHEMA))


def training(study, model):
    return study.models[model].training


def change(config, changes):
    """Set values by dotted path; None takes the key away."""
    for path, value in changes.items():
        *above, key = path.split(".")
        place = config
        for step in above:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[int(step)]
        if value is None:
            place.pop(key)
        else:
            place[int(key) if isinstance(place, list) else key] = value
    return config


# The shipped studies


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_resolve(name, schema):
    study = resolve(read(name), schema)
    own = VOLUMES if name == "config/config.yaml" else MATCHED
    assert set(study.models) == {*PUBLISHED, *own}
    assert list(study.runs) == list(study.models)
    assert study.ensembles == {}
    assert list(study.datasets) == ["planaria", "tribolium"]


def test_strata_and_calibration_are_reported_where_there_are_any(published, config, schema):
    wanted = {"strata", "calibration"}
    assert wanted <= names(tables(published))
    assert "calibration" in names(figures(published))
    assert published.stratified_datasets == ["planaria"]
    assert published.probabilistic_methods == list(published.runs)
    study = resolve(change(config, {"training.loss": "mae"}), schema)
    assert not wanted & names(tables(study) + figures(study))
    assert {"comparisons", "restoration_runtimes"} <= names(tables(study))


def test_scores_are_drawn_against_known_exposures(default, published, config, schema):
    assert exposed_datasets(default) == ["planaria", "tribolium"]
    assert "exposure" in names(figures(default))
    assert "exposure" not in names(figures(published))
    conditions = [{"name": n, "source": n, "exposure": x} for n, x in (("a", 0.2), ("b", 0.1))]
    config["datasets"]["worms"]["conditions"] = conditions
    study = resolve(config, schema)
    assert exposed_datasets(study) == ["worms"]
    assert own_models(study, "worms") == ["worms"]  # not those of the sweep
    assert "exposure" not in names(figures(resolve(config | {"baselines": []}, schema)))


def test_a_study_beside_nothing_published_has_no_ladder(published, config, schema):
    ladder = "why_the_numbers_differ"
    assert ladder in names(tables(published)) & names(figures(published))
    study = resolve(config, schema)
    assert not study.published_datasets
    assert ladder not in names(tables(study)) | names(figures(study))


def test_the_published_records_are_shown_beside_studies_of_the_published_sets(
    published, config, schema
):
    """Ours stand beside its curves if they are trained on its images, and not on simulated ones."""

    def of_records(study):
        shown = [*tables(study), *figures(study)]
        return [product for product in shown if product.category == categories.PUBLISHED]

    assert not of_records(resolve(config, schema))
    records = of_records(published)
    beside = {product.name for product in records if product.inputs(published)}
    assert beside == (
        set() if published.datasets["planaria"].is_simulated else {"curves_beside_published"}
    )
    assert {product.name for product in records} - beside == {
        "published_curves", "published_conclusions", "published_times", "published_time_lines",
        "comparable_numbers",
    }  # fmt: skip


def test_published_models_have_the_published_values(published):
    found = {
        name: tuple(getattr(model.training, key) for key in VARIED)
        for name, model in published.models.items()
    }
    assert found == PUBLISHED | MATCHED


def test_published_models_have_the_rest_in_common(published):
    common = {
        "width": 32, "depth": 2, "kernel": 3, "residual": True, "last_activation": "linear",
        "initial_weights": "csbdeep", "start_from": None,
        "loss": "laplace", "scale_weight": 0, "learning_rate": 4e-4, "warmup_steps": 0,
        "schedule": "plateau", "plateau_factor": 0.5, "plateau_patience": 10,
        "plateau_min_delta": 0, "early_stopping_patience": None, "restarts": 0,
        "collapse_steps": 200, "split": "tail", "training_volumes": None,
        "validation_patches": None, "augment": False, "precision": "auto",
    }  # fmt: skip
    patience = {
        "planaria-steps25-matched": 160,
        "planaria-steps100-matched": 40,
    }  # as many patches as 10 epochs of 400
    for name, model in published.models.items():
        expected = common | {"plateau_patience": patience.get(name, 10)}
        # Of the arm that the 2019 study did not have; else three quarters of a training
        expected["validation_patches"] = 340 if name in patience else None
        settings = vars(model.training)
        assert {k: settings[k] for k in settings if k not in VARIED} == expected, name
        assert model.seeds == (0,)
    assert published.validation_fraction == 0.2


def test_published_archives(published):
    planaria, tribolium = published.datasets.values()
    assert planaria.source.url == "https://edmond.mpg.de/api/access/datafile/264085"
    assert planaria.source.sha256 is None
    assert tribolium.source.url == "https://edmond.mpg.de/api/access/datafile/264091"
    assert (
        tribolium.source.sha256
        == "d6ae165eb94c68fdc4af16796fb12c4c36ad3c23afb3dd791e725069874b2e97"
    )
    for dataset in (planaria, tribolium):
        assert dataset.patches.source == "npz"
        assert dataset.patches.axes == "SCZYX"
        assert dataset.patches.shape == (16, 64, 64)


def test_published_protocols_and_baseline(published):
    assert published.protocols == ("paper", "study2019")
    assert published.baselines == ("gaussian", "median", "tv", "wavelet", "nlm")


@pytest.mark.parametrize("name", SHIPPED)
def test_conditions_are_the_cleanest_first(name, schema):
    """Condition 1 is planaria's cleanest and tribolium's noisiest."""
    study = resolve(read(name), schema)
    planaria, tribolium = study.datasets.values()
    assert (planaria.layout, planaria.truth) == ("folders", "GT")
    assert [(c.name, c.source) for c in planaria.conditions] == [
        (n, f"condition_{n}") for n in "123"
    ]
    assert (tribolium.layout, tribolium.truth) == ("stacks", 3)
    assert [(c.name, c.source) for c in tribolium.conditions] == [
        ("3", 2),
        ("2", 1),
        ("1", 0),
    ]
    assert study.datasets["tribolium"].condition_names == ["3", "2", "1"]


@pytest.mark.parametrize("name", SHIPPED)
def test_sweeps_stand_in_order_with_their_base(name, schema):
    study = resolve(read(name), schema)
    assert list(study.sweeps["fig4_batch_size"].models) == BATCHES
    assert list(study.sweeps["fig5_steps_per_epoch"].models) == STEPS
    matched = [list(study.sweeps[figure].matched) for figure in MATCHED_ARMS]
    assert matched == (list(MATCHED_ARMS.values()) if "paper" in name else [[], []])
    figures_of_sweeps = {figure: sweep.name for figure, sweep in study.sweeps.items()}
    figures_of_sweeps.pop("training_volumes", None)
    assert figures_of_sweeps == {
        "fig4_batch_size": "batch_size",
        "fig5_steps_per_epoch": "steps_per_epoch",
    }


def test_the_default_study_varies_the_training_volumes_alone(default):
    assert list(default.sweeps["training_volumes"].models) == [*VOLUMES, "planaria-100"]
    base = training(default, "planaria-100")
    assert base.training_volumes == default.datasets["planaria"].source.train_volumes
    for name, count in VOLUMES.items():
        assert training(default, name) == replace(base, training_volumes=count)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_organisms_models_meet_both_test_sets(name, schema):
    study = resolve(read(name), schema)
    for model in ("planaria", "tribolium", "planaria-100", "tribolium-100"):
        assert list(study.models[model].tested_on) == ["planaria", "tribolium"]
    assert all(
        list(study.models[model].tested_on) == ["planaria"]
        for model in BATCHES + STEPS
        if model != "planaria-100"
    )
    assert study.is_cross_tested


def test_default_study_keeps_the_published_ratios(default):
    """Batch 8:16:32:64, steps 25:100:400, epochs 100:200; one thing varies at a time."""
    models = default.models
    batch, steps, epochs = (getattr(models["planaria-100"].training, key) for key in VARIED[1:])
    for name, (dataset, *values) in PUBLISHED.items():
        expected = [values[0] * batch / 16, values[1] * steps / 400, values[2] * epochs / 100]
        assert [getattr(models[name].training, key) for key in VARIED] == [dataset, *expected], name


@pytest.mark.parametrize("sweep", ["batch_size", "steps_per_epoch"])
def test_second_arms_see_as_many_patches_as_their_base(sweep, schema):
    study = resolve(read("config/paper.yaml"), schema)
    entry = next(entry for entry in study.sweeps.values() if entry.name == sweep)
    arms = entry.models, entry.matched
    values = [[study.models[model].training for model in arm] for arm in arms]
    seen = [[training.patches_seen for training in arm] for arm in values]
    assert len(set(seen[0])) == len(arms[0])
    assert set(seen[1]) == {seen[0][arms[0].index("planaria-100")]}
    assert [getattr(t, sweep) for t in values[1]] == [getattr(t, sweep) for t in values[0]]


def test_default_study_needs_no_download(default):
    assert all(dataset.is_simulated for dataset in default.datasets.values())


# What resolves by config alone


def test_third_organism(schema):
    config = read("config/paper.yaml")
    config["datasets"]["zebrafish"] = config["datasets"]["planaria"] | {
        "table": "table3_zebrafish",
        "published": None,
        "conditions": [
            {"name": "dim", "source": "laser_1"},
            {"name": "dimmer", "source": "laser_2"},
        ],
    }
    config["studies"]["generalization"]["tested_on"].append("zebrafish")
    config["studies"]["generalization"]["models"]["zebrafish-100"] = {"trained_on": "zebrafish"}
    study = resolve(config, schema)
    assert study.datasets["zebrafish"].condition_names == ["dim", "dimmer"]
    assert list(study.models["zebrafish-100"].tested_on) == ["planaria", "tribolium", "zebrafish"]
    assert [model.name for model in study.models_with_patches_of("zebrafish")] == ["zebrafish-100"]


def test_further_batch_size_takes_its_place_in_the_sweep(schema):
    config = read("config/paper.yaml")
    config["studies"]["batch_size"]["models"] |= {
        "planaria-batch20": {"batch_size": 20},
        "planaria-batch4": {"batch_size": 4},
    }
    study = resolve(config, schema)
    expected = ["planaria-batch4", *BATCHES[:2], "planaria-batch20", *BATCHES[2:]]
    assert list(study.sweeps["fig4_batch_size"].models) == expected
    assert training(study, "planaria-batch20") == replace(
        training(study, "planaria-100"), batch_size=20
    )
    assert study.models["planaria-batch20-matched"].training.steps_per_epoch == 320


def test_home_and_variables_in_paths_are_expanded(config, schema, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("RAW", "/data/raw")
    monkeypatch.setenv("TMP_MODELS", str(tmp_path))
    save_network(tmp_path / "care")
    change(
        config,
        {
            "datasets.own.pairs": {"low": "~/low/*.tif", "high": "${RAW}/$DAY/*.tif", "axes": "YX"},
            "datasets.worms.archive.path": "$RAW/worms.tar.gz",
            "restore": {"images": ["~/new"], "model": "$TMP_MODELS/care", "output": "~/out"},
        },
    )
    study = resolve(config, schema)
    assert study.restore.images == ("/home/me/new",)
    assert (study.restore.model, study.restore.output) == (f"{tmp_path}/care", "/home/me/out")
    datasets = study.datasets
    assert datasets["own"].source.low == "/home/me/low/*.tif"
    assert datasets["own"].source.high == "/data/raw/$DAY/*.tif"  # a name may have a $
    assert datasets["worms"].source.path == "/data/raw/worms.tar.gz"


def test_a_path_that_snakemake_takes_for_a_wildcard_is_refused(config, schema):
    change(config, {"datasets.worms.archive.path": "raw {x}/worms.tar.gz"})
    with pytest.raises(StudyError, match=r"datasets\.worms\.archive\.path has \{x\}, which Snake"):
        resolve(config, schema)


def with_npz(config, **changes):
    """The small config with a model that is trained on an npz, and tested on own pairs."""
    npz = {"npz": {"path": "~/my.npz"}, "patches": {"source": "npz", "shape": [16, 16]}}
    config["datasets"]["mine"] = npz
    study = {"tested_on": ["own"], "models": {"mine": {"trained_on": "mine"}}}
    config["studies"]["mine"] = study
    return change(config, changes)


def test_an_npz_is_trained_on_alone(config, schema, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    study = resolve(with_npz(config), schema)
    dataset = study.datasets["mine"]
    assert (dataset.axes, dataset.condition_names, dataset.is_npz) == ("YX", [], True)
    assert (dataset.source.path, dataset.source.channel) == ("/home/me/my.npz", None)
    assert dataset.patches.axes is None
    assert "mine" not in study.tested_datasets


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"studies.mine.tested_on": None},
            "model mine: tested_on is mine, an npz, which has no test volumes: set tested_on of its"
            " study to datasets of pairs or archives.",
        ),
        (
            {"datasets.mine.patches.source": "volumes"},
            "datasets.mine.patches.source is volumes, but an npz brings patches alone: set it to"
            " npz.",
        ),
        (
            {"datasets.mine.conditions": [{"name": "low", "source": "low"}]},
            "datasets.mine.conditions cannot be given with npz, which does not tell them.",
        ),
        ({"datasets.mine.npz.path": "{x}.npz"}, "datasets.mine.npz.path has {x}, which Snakemake"),
        (
            {"datasets.mine.patches.shape": [8, 16, 16]},
            "model mine: trained on mine with axes ZYX, it cannot be tested on own with axes YX.",
        ),
        (
            {"datasets.worms.archive.path": "my.npz"},
            "datasets.worms.archive.path is my.npz, but an archive is a tar file: give csbdeep's"
            " training patches as datasets.worms.npz.path.",
        ),
    ],
)
def test_what_an_npz_cannot_be_is_said(changes, said, config, schema):
    with pytest.raises(StudyError) as refused:
        resolve(with_npz(config, **changes), schema)
    assert said in str(refused.value)


@pytest.mark.parametrize("frames", ["all", [0, 5]])
def test_frames_and_channel_of_pairs(frames, config, schema):
    change(config, {"datasets.own.pairs.frames": frames, "datasets.own.pairs.channel": 1})
    source = resolve(config, schema).datasets["own"].source
    assert source.selection == {"axes": "YX", "frames": frames, "channel": 1}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("frames", "first", "expected all, or a list of the frames' numbers such as [0, 5]"),
        ("frames", 5, "datasets.own.pairs.frames is 5, expected string or array or null"),
        ("frames", [-1], "datasets.own.pairs.frames.0"),
        ("channel", "red", "datasets.own.pairs.channel is 'red', expected integer or null"),
    ],
)
def test_other_frames_and_channels_are_refused(key, value, said, config, schema):
    with pytest.raises(StudyError) as refused:
        resolve(change(config, {f"datasets.own.pairs.{key}": value}), schema)
    assert said in str(refused.value)


def test_own_pairs_in_two_dimensions(config, schema):
    study = resolve(config, schema)
    assert study.datasets["own"].axes == "YX"
    assert study.datasets["own"].condition_names == ["low"]
    assert study.datasets["worms"].axes == "ZYX"


def test_networks_of_planes_may_be_tested_on_stacks(config, schema):
    changes = {
        "datasets.worms.patches.shape": [32, 32],
        "studies.planes": {"tested_on": ["worms"], "models": {"flat": {"trained_on": "own"}}},
    }
    worms = resolve(change(config, changes), schema).datasets["worms"]
    assert (worms.axes, worms.patch_axes) == ("ZYX", "YX")


# Second arms

LONG = {"batch_size": 16, "steps_per_epoch": 100, "epochs": 10}


def matched(config, changes=None, **training):
    """The small config with a second arm of its sweep, by default of batch sizes."""
    config["training"] = LONG | training
    return change(config, {"studies.batches.sample_matched": True} | (changes or {}))


def test_steps_make_up_for_the_batch(config, schema):
    study = resolve(matched(config), schema)
    assert list(study.sweeps["batches"].models) == ["worms-4", "worms", "worms-32"]
    assert list(study.sweeps["batches"].matched) == [
        "worms-4-matched",
        "worms",
        "worms-32-matched",
    ]
    assert training(study, "worms-4-matched") == replace(
        training(study, "worms-4"), steps_per_epoch=400
    )
    assert training(study, "worms-32-matched") == replace(
        training(study, "worms-32"), steps_per_epoch=50
    )


def test_epochs_make_up_for_the_steps(config, schema):
    changes = {
        "studies.batches.varies": "steps_per_epoch",
        "studies.batches.models": {
            "worms-few": {"steps_per_epoch": 25},
            "worms-many": {"steps_per_epoch": 500},
        },
    }
    study = resolve(matched(config, changes), schema)
    assert list(study.sweeps["batches"].matched) == [
        "worms-few-matched",
        "worms",
        "worms-many-matched",
    ]
    assert training(study, "worms").plateau_patience == 10
    assert training(study, "worms-few-matched") == replace(
        training(study, "worms-few"), epochs=40, plateau_patience=40
    )
    assert training(study, "worms-many-matched") == replace(
        training(study, "worms-many"), epochs=2, plateau_patience=2
    )


def test_matched_models_are_models_like_any_other(config, schema):
    """Their model's other values, seeds and test sets; after the sweep's own, before those of later
    studies.
    """
    config["studies"]["later"] = {"base": "worms-4-matched", "models": {"later": {"epochs": 3}}}
    changes = {
        "studies.batches.models.worms-4": {"batch_size": 4, "learning_rate": 0.01, "seeds": [7, 8]},
        "studies.batches.tested_on": ["worms", "beads"],
    }
    study = resolve(matched(config, changes), schema)
    names = [
        "worms",
        "flies",
        "own",
        "worms-32",
        "worms-4",
        "worms-4-matched",
        "worms-32-matched",
        "later",
    ]
    assert list(study.models) == names
    assert study.models["worms-4-matched"].training.learning_rate == 0.01
    assert list(study.models["worms-4-matched"].tested_on) == ["worms", "beads"]
    assert study.models["worms-4-matched"].runs == [
        "worms-4-matched-seed7",
        "worms-4-matched-seed8",
    ]
    assert study.ensembles["worms-4-matched-ensemble"] == "worms-4-matched"
    assert study.models["later"].training.steps_per_epoch == 400


def test_the_second_arm_may_validate_on_fewer_patches(config, schema):
    """Where epochs make up for steps, validation would take most of the time; the first arm and the
    base keep the protocol.
    """
    changes = {"studies.batches.matched_validation_patches": 50}
    study = resolve(matched(config, changes), schema)
    found = {name: model.training.validation_patches for name, model in study.models.items()}
    assert {name for name, patches in found.items() if patches == 50} == {
        "worms-4-matched",
        "worms-32-matched",
    }
    assert set(found.values()) == {None, 50}


@pytest.mark.parametrize("changes", [{}, {"varies": None}])
def test_which_is_refused_without_a_second_arm(changes, config, schema):
    config["studies"]["batches"] |= {"matched_validation_patches": 50} | changes
    with pytest.raises(StudyError, match=r"^studies\.batches\.matched_validation_patches is given"):
        resolve(config, schema)


def test_without_sample_matched_there_is_no_second_arm(config, schema):
    study = resolve(config, schema)
    assert [sweep.matched for sweep in study.sweeps.values()] == [()]


def test_matched_models_are_no_part_of_the_config(config, schema):
    """It makes them anew, so it must not hold them."""
    study = resolve(matched(config), schema)
    assert list(study.config["studies"]["batches"]["models"]) == ["worms-32", "worms-4"]
    again = resolve(study.config, schema)
    assert again == study


UNMATCHED = {
    "no base": (
        {"studies.batches.base": None, "training.trained_on": "worms"},
        ["base is None", "give the base"],
    ),
    "nothing varied": (
        {"studies.batches.varies": None},
        ["varies is None", "batch_size or steps_per_epoch"],
    ),
    "epochs varied": (
        {"studies.batches.varies": "epochs"},
        ["varies is epochs", "batch_size or steps_per_epoch"],
    ),
    "other epochs than the base": (
        {"studies.batches.models.worms-4.epochs": 20},
        ["worms-4 differs from worms in epochs too", "leave that as the base has it"],
    ),
    "other steps and epochs than the base": (
        {"studies.batches.models.worms-4": {"batch_size": 4, "epochs": 20, "steps_per_epoch": 9}},
        ["worms-4 differs from worms in steps_per_epoch and epochs too"],
    ),
    "a model that may stop early": (
        {"studies.batches.models.worms-4": {"batch_size": 4, "early_stopping_patience": 5}},
        ["worms-4 has early_stopping_patience 5", "set it to null"],
    ),
    "steps that are no whole number": (
        {"studies.batches.models.worms-4.batch_size": 24},
        [
            "worms-4 with batch_size 24 would need 1600 / 24 steps_per_epoch",
            "divides 1600, such as 20 or 25",
        ],
    ),
    "less than a step": (
        {"studies.batches.models.worms-4.batch_size": 3200},
        ["1600 / 3200 steps_per_epoch", "divides 1600, such as 800 or 1600"],
    ),
    "epochs that are no whole number": (
        {
            "studies.batches.varies": "steps_per_epoch",
            "studies.batches.models": {"worms-few": {"steps_per_epoch": 30}},
        },
        [
            "worms-few with steps_per_epoch 30 would need 1000 / 30 epochs",
            "divides 1000, such as 20 or 25",
        ],
    ),
    "a name that is taken": (
        {"studies.main.models.worms-4-matched": {"trained_on": "worms"}},
        ["the name worms-4-matched", "taken"],
    ),
}


@pytest.mark.parametrize(("changes", "said"), UNMATCHED.values(), ids=UNMATCHED)
def test_no_second_arm_where_patches_seen_cannot_be_held(changes, said, config, schema):
    with pytest.raises(StudyError, match=r"^studies\.batches\.sample_matched.*\.$") as refused:
        resolve(matched(config, changes), schema)
    assert all(words in str(refused.value) for words in said), refused.value


# Seeds


def test_a_model_of_one_seed_has_one_run_of_its_own_name(config, schema):
    study = resolve(change(config, {"seed": 5, "studies.main.models.flies.seeds": [8]}), schema)
    assert study.runs["worms"] == Run("worms", "worms", 5)
    assert study.runs["flies"] == Run("flies", "flies", 8)
    assert list(study.runs) == list(study.models)
    assert study.ensembles == {}


def test_a_model_of_several_seeds_has_a_run_each_and_an_ensemble(config, schema):
    study = resolve(change(config, {"studies.main.models.flies.seeds": [7, 3]}), schema)
    assert list(study.runs) == [
        "worms",
        "flies-seed7",
        "flies-seed3",
        "own",
        "worms-32",
        "worms-4",
    ]
    assert study.runs["flies-seed3"] == Run("flies-seed3", "flies", 3)
    assert study.models["flies"].runs == ["flies-seed7", "flies-seed3"]
    assert study.ensembles == {"flies-ensemble": "flies"}
    assert study.runs_behind("flies-ensemble") == ["flies-seed7", "flies-seed3"]
    assert study.runs_behind("flies-seed3") == ["flies-seed3"]
    assert {"flies-seed7", "flies-ensemble"} <= {method for method, _ in study.calibrated}
    assert "flies" in study.models
    assert "flies" not in study.runs


def test_models_take_the_seeds_of_training_or_their_base_over(config, schema):
    changes = {
        "training.seeds": [1, 2],
        "studies.main.models.flies.seeds": [9],
        "studies.batches.models.worms-4.seeds": [3],
    }
    study = resolve(change(config, changes), schema)
    seeds = {name: list(model.seeds) for name, model in study.models.items()}
    assert seeds == {
        "worms": [1, 2],
        "flies": [9],
        "own": [1, 2],
        "worms-32": [1, 2],
        "worms-4": [3],
    }


def test_null_seeds_of_a_model_take_the_studys(config, schema):
    config["studies"]["main"]["models"]["flies"]["seeds"] = None
    study = resolve(change(config, {"seed": 5, "training.seeds": [1, 2]}), schema)
    assert study.models["flies"].seeds == (5,)


def test_seeds_are_not_written_into_the_config(config, schema):
    study = resolve(config, schema)
    assert study.config["training"]["seeds"] is None
    assert study.models["worms-4"].seeds == (0,)


@pytest.mark.parametrize("other", ["worms-seed2", "worms-ensemble"])
@pytest.mark.parametrize("seeds", [None, [1, 2]])
def test_what_seeds_make_may_not_be_named_as_another_model(other, seeds, config, schema):
    config["studies"]["main"]["models"][other] = {"trained_on": "worms", "seeds": seeds}
    change(config, {"studies.main.models.worms.seeds": [1, 2]})
    with pytest.raises(
        StudyError, match=rf"^model worms: .* make {other}, .*; rename one of the two\.$"
    ):
        resolve(config, schema)
    assert other in resolve(change(config, {"studies.main.models.worms.seeds": [2]}), schema).models


# How values are found


def test_model_starts_from_training_or_base_and_changes_what_it_names(config, schema):
    change(
        config, {"training.epochs": 7, "training.width": 16, "studies.main.models.worms.width": 4}
    )
    models = resolve(config, schema).models
    flies, worms_4 = models["flies"].training, models["worms-4"].training
    assert (flies.epochs, flies.width) == (7, 16)
    assert (worms_4.epochs, worms_4.width, worms_4.batch_size) == (7, 4, 4)
    assert worms_4.trained_on == "worms"


def test_names_default_to_the_datasets_and_the_studys(config, schema):
    study = resolve(config, schema)
    assert (study.datasets["worms"].label, study.datasets["worms"].table) == (
        "worms",
        "table_worms",
    )
    assert [(sweep.figure, sweep.name) for sweep in study.sweeps.values()] == [
        ("batches", "batches")
    ]


def test_models_are_tested_where_they_were_trained_by_default(config, schema):
    study = resolve(config, schema)
    assert {name: list(model.tested_on) for name, model in study.models.items()} == {
        "worms": ["worms"], "flies": ["flies"], "own": ["own"], "worms-32": ["worms"],
        "worms-4": ["worms"],
    }  # fmt: skip
    assert not study.is_cross_tested
    assert [model.name for model in study.models_with_patches_of("worms")] == [
        "worms",
        "worms-32",
        "worms-4",
    ]


def test_neither_config_nor_schema_is_changed(config, schema):
    before = copy.deepcopy((config, schema))
    resolve(config, schema)
    assert (config, schema) == before


def test_resolving_twice_gives_the_same(config, schema):
    assert resolve(config, schema) == resolve(config, schema)


def test_nothing_of_a_study_can_be_changed(config, schema):
    study = resolve(config, schema)
    for entry in (study, study.datasets["worms"], study.models["worms"].training, study.compute):
        with pytest.raises(FrozenInstanceError):
            setattr(entry, next(iter(vars(entry))), "changed")


def test_defaults_do_not_leak_into_the_next_study(config, schema):
    study = resolve(config, schema)
    study.config["training"]["epochs"] = "changed"
    study.config["compute"]["xla"] = "changed"
    again = resolve(config, schema)
    assert again.models["flies"].training.epochs == 100
    assert again.compute == Compute(threads=8, xla="auto", resident="auto", memory_growth=True)


def test_the_2019_protocol_scores_where_there_are_published_numbers(config, schema):
    assert resolve(config, schema).protocols == ("paper",)
    published = change(copy.deepcopy(config), {"datasets.worms.published": "planaria"})
    assert resolve(published, schema).protocols == ("paper", "study2019")
    asked = change(config, {"evaluation.protocols": ["study2019"]})
    assert resolve(asked, schema).protocols == ("study2019",)


def test_the_digest_follows_what_tables_speak_of(config, schema):
    def digest(changes):
        return resolve(change(copy.deepcopy(config), changes), schema).digest

    same = [{}, {"device": "cpu"}, {"datasets.worms.archive.path": "elsewhere.tar.gz"}]
    assert len({digest(changes) for changes in same}) == 1
    other = [{"note": "new"}, {"training.epochs": 3}, {"datasets.worms.label": "Worms"}]
    assert len({digest(changes) for changes in [{}, *other]}) == 4


def test_datasets_may_repeat_one_another_by_yaml_anchors(schema):
    text = SMALL.replace("  worms:\n", "  worms: &same\n").replace(
        "  flies:\n", "  again: *same\n  flies:\n"
    )
    datasets = resolve(yaml.safe_load(text), schema).datasets
    assert (datasets["worms"].table, datasets["again"].table) == (
        "table_worms",
        "table_again",
    )


# Keys that stand twice

REPEATED = {
    "at the top": ("title: A\nseed: 1\n\ntitle: B\n", 4, "title", 1),
    "nested": ("studies:\n  a:\n    models: {}\n  b: {}\n  a: {}\n", 5, "a", 2),
    "in a list": ("list:\n  - name: x\n    source: y\n    name: z\n", 4, "name", 2),
    "in one line": ("model: {epochs: 1, width: 2, epochs: 3}\n", 1, "epochs", 1),
    "quoted once": ("title: A\n'title': B\n", 2, "title", 1),
    "under an anchor": ("a: &same {x: 1,\n  x: 2}\nb: *same\n", 2, "x", 1),
}


@pytest.mark.parametrize(("text", "line", "key", "first"), REPEATED.values(), ids=REPEATED)
def test_a_key_that_stands_twice_is_refused(text, line, key, first, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(StudyError) as refused:
        check_yaml(path)
    assert str(refused.value).startswith(
        f"{path}, line {line}: the key {key} stands in line {first} already"
    )


PASSED = {
    "the small config": SMALL,
    "one key in several mappings": "a: {x: 1}\nb: {x: 1}\n",
    "a merged value given anew": "a: &base {x: 1}\nb: {<<: *base, x: 2}\n",
    "two mappings merged": "a: &a {x: 1}\nb: &b {x: 2}\nc:\n  <<: *a\n  <<: *b\n",
    "an alias, twice": "a: &same {x: 1}\nb: [*same, *same]\n",
    "an alias within its own anchor": "a: &same {x: *same}\n",
    "a number and its digits": "{1: a, '1': b}\n",
    "nothing": "",
    "no YAML": "a: 1\na: [\n",
}


@pytest.mark.parametrize("text", PASSED.values(), ids=PASSED)
def test_what_repeats_no_key_passes(text, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    check_yaml(path)


def test_json_and_missing_files_are_left_to_snakemake(tmp_path):
    path = tmp_path / "study.json"
    check_yaml(path)
    path.write_text('{"seed": 1, "seed": 2}')
    check_yaml(path)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_repeat_no_key(name):
    check_yaml(ROOT / name)


# What is refused

REFUSED = {
    "misspelt key": ({"sede": 3}, ["sede", "did you mean seed?"]),
    "misspelt required key": (
        {"title": None, "titel": "A study"},
        ["titel", "did you mean title?"],
    ),
    "misspelt value of training": (
        {"training.epoch": 3},
        ["training", "epoch", "did you mean epochs?"],
    ),
    "misspelt value of a model": (
        {"studies.main.models.worms.batchsize": 3},
        ["studies.main.models.worms", "batchsize", "did you mean batch_size?"],
    ),
    "misspelt key of a dataset": (
        {"datasets.worms.patches.shpe": [4]},
        ["datasets.worms.patches", "did you mean shape?"],
    ),
    "unknown key like no other": ({"xyzzy": 1}, ["xyzzy", "title, note, seed"]),
    "one seed, not a list": (
        {"studies.main.models.worms.seed": 3},
        ["models.worms", "did you mean seeds?"],
    ),
    "a number for seeds": ({"training.seeds": 3}, ["training.seeds", "3", "array or null"]),
    "no seeds": ({"training.seeds": []}, ["training.seeds", "[]"]),
    "a seed twice": ({"training.seeds": [4, 4]}, ["training.seeds", "[4, 4]"]),
    "a negative seed": ({"training.seeds": [-1]}, ["training.seeds", "-1"]),
    "no seeds of a model": (
        {"studies.main.models.worms.seeds": []},
        ["studies.main.models.worms.seeds", "[]"],
    ),
    "no validation patches": (
        {"training.validation_patches": 0},
        ["training.validation_patches", "0"],
    ),
    "no patience": (
        {"training.early_stopping_patience": 0},
        ["training.early_stopping_patience", "0"],
    ),
    "unknown precision": (
        {"training.precision": "float64"},
        ["training.precision", "float64", "auto, float32, tf32, bfloat16, float16"],
    ),
    "unknown schedule": (
        {"training.schedule": "linear"},
        ["training.schedule", "linear", "plateau, cosine"],
    ),
    "a word for yes": ({"training.augment": "yes"}, ["training.augment", "'yes'", "boolean"]),
    "misspelt key of compute": (
        {"compute": {"jit": True}},
        ["compute", "jit", "xla, resident, memory_growth"],
    ),
    "1 for yes": ({"compute": {"xla": 1}}, ["compute.xla", "1", "auto"]),
    "a folder for TensorBoard": ({"tensorboard": "logs"}, ["tensorboard", "'logs'", "boolean"]),
    "missing key": ({"datasets.worms.patches": None}, ["datasets.worms", "patches", "missing"]),
    "no datasets": ({"datasets": {}}, ["datasets"]),
    "unknown dataset to train on": (
        {"studies.main.models.worms.trained_on": "wurms"},
        ["worms", "trained_on", "wurms"],
    ),
    "unknown dataset to test on": (
        {"studies.main.tested_on": ["wurms"]},
        ["tested_on", "wurms", "worms, flies"],
    ),
    "no dataset to train on": (
        {"studies.main.models.worms": {}},
        ["studies.main.models.worms", "trained_on"],
    ),
    "patch edge not divisible by 4": (
        {"datasets.worms.patches.shape": [16, 32, 30]},
        ["datasets.worms.patches.shape", "[16, 32, 30]", "divisible by 4"],
    ),
    "patch edge not divisible by 8 in a deeper network": (
        {"studies.main.models.worms.depth": 3, "datasets.worms.patches.shape": [12, 32, 32]},
        ["datasets.worms.patches.shape", "depth 3", "divisible by 8"],
    ),
    "two sources": (
        {"datasets.worms.simulate": {"species": "planaria"}},
        ["datasets.worms", "simulate and archive", "exactly one"],
    ),
    "no source": (
        {"datasets.worms.archive": None},
        ["datasets.worms", "no source", "simulate, archive, pairs, npz"],
    ),
    "url and path": (
        {"datasets.worms.archive.url": "https://example.org/a"},
        ["datasets.worms.archive", "url and path"],
    ),
    "neither url nor path": (
        {"datasets.worms.archive": {}},
        ["datasets.worms.archive", "neither url nor path"],
    ),
    "url of no web server": (
        {"datasets.flies.archive.url": "ftp://example.org"},
        [
            "datasets.flies.archive.url: found 'ftp://example.org'",
            "an address that begins with https://",
        ],
    ),
    "an address that others can change on the way": (
        {"datasets.flies.archive.url": "http://example.org/a"},
        ["datasets.flies.archive.url is http://example.org/a", "allow_http to true"],
    ),
    "checksum of another kind": (
        {"datasets.worms.archive.sha256": "12ab"},
        ["datasets.worms.archive.sha256: found '12ab', expected 64 hexadecimal digits"],
    ),
    "text for a number": ({"training.epochs": "many"}, ["training.epochs", "'many'", "integer"]),
    "fraction for a whole number": (
        {"training.epochs": 1.5},
        ["training.epochs", "1.5", "integer"],
    ),
    "yes for a number": ({"training.batch_size": True}, ["training.batch_size", "True", "integer"]),
    "number for a name": (
        {"datasets.worms.conditions.0.name": 1},
        ["datasets.worms.conditions.0.name", "string"],
    ),
    "wrong type in a model": (
        {"studies.main.models.worms.width": "wide"},
        ["studies.main.models.worms.width", "'wide'", "integer"],
    ),
    "zero epochs": ({"training.epochs": 0}, ["training.epochs", "0"]),
    "unknown loss": ({"training.loss": "huber"}, ["training.loss", "huber", "laplace, mae, mse"]),
    "unknown species": (
        {"datasets.beads.simulate.species": "fly"},
        ["datasets.beads.simulate.species", "planaria"],
    ),
    "whole set to validate on": ({"validation_fraction": 1}, ["validation_fraction"]),
    "unknown base": (
        {"studies.batches.base": "wurms"},
        ["studies.batches.base", "wurms", "worms, flies, own"],
    ),
    "base of its own study": (
        {"studies.batches.base": "worms-4"},
        ["studies.batches.base", "worms-4"],
    ),
    "duplicate model": (
        {"studies.batches.models.flies": {}},
        ["studies.batches.models.flies", "taken"],
    ),
    "model named input": (
        {"studies.batches.models.input": {}},
        ["studies.batches.models.input", "nlm"],
    ),
    "model named nlm": ({"studies.batches.models.nlm": {}}, ["studies.batches.models.nlm"]),
    "model named median": (
        {"studies.batches.models.median": {}},
        ["studies.batches.models.median", "taken"],
    ),
    "unknown baseline": ({"baselines": ["gaussian", "bm3d"]}, ["baselines.1", "bm3d", "wavelet"]),
    "baseline given twice": ({"baselines": ["tv", "tv"]}, ["baselines"]),
    "the one baseline of old": ({"baseline": {"strength": 0.8}}, ["no key baseline", "baselines"]),
    "model named truth": ({"studies.batches.models.truth": {}}, ["studies.batches.models.truth"]),
    "model no file can be named for": (
        {"studies.batches.models.a/b": {}},
        ["studies.batches.models", "a/b"],
    ),
    "dataset no file can be named for": (
        {"datasets.my data": {}},
        [
            "datasets: found 'my data', expected a name that begins with a letter and holds only"
            " letters, digits,"
        ],
    ),
    "condition no folder can be named for": (
        {"datasets.worms.conditions.0.name": "10 %"},
        [
            "datasets.worms.conditions.0.name: found '10 %', expected a name that begins with a"
            " letter or digit"
        ],
    ),
    "condition named truth": (
        {"datasets.worms.conditions.0.name": "truth"},
        ["datasets.worms.conditions", "truth"],
    ),
    "conditions of one name": (
        {"datasets.worms.conditions": [{"name": "1", "source": "a"}, {"name": "1", "source": "b"}]},
        ["datasets.worms.conditions", "1, 1", "differ"],
    ),
    "no conditions": ({"datasets.worms.conditions": []}, ["datasets.worms.conditions", "empty"]),
    "conditions of pairs": (
        {"datasets.own.conditions": [{"name": "1", "source": "a"}]},
        ["datasets.own.conditions", "pairs"],
    ),
    "weight without a scale": (
        {"training.loss": "mae", "training.scale_weight": 1},
        ["scale_weight is 1", "loss is mae", "set scale_weight to 0"],
    ),
    "identity without a residual": (
        {"training.initial_weights": "identity", "training.residual": False},
        ["initial_weights", "residual is false", "csbdeep"],
    ),
    "exposures of some conditions": (
        {
            "datasets.worms.conditions": [
                {"name": "1", "source": "a", "exposure": 0.1},
                {"name": "2", "source": "b"},
            ]
        },
        ["datasets.worms.conditions", "2 has no exposure", "or for none"],
    ),
    "by-volume of published patches": (
        {"studies.main.models.flies.split": "by-volume"},
        ["flies", "by-volume", "npz", "tail or random"],
    ),
    "training volumes of published patches": (
        {"studies.main.models.flies.training_volumes": 2},
        ["flies", "training_volumes is 2", "npz", "null"],
    ),
    "more training volumes than there are": (
        {"studies.main.models.beads": {"trained_on": "beads", "training_volumes": 9}},
        ["model beads", "training_volumes is 9", "8 training volumes"],
    ),
    "npz of pairs": (
        {"datasets.own.patches.source": "npz"},
        ["datasets.own.patches.source", "npz", "pairs"],
    ),
    "3D model on 2D test set": (
        {"studies.main.tested_on": ["own", "worms"]},
        ["axes ZYX", "own", "axes YX"],
    ),
    "3D patches of 2D images": (
        {"datasets.own.patches.shape": [4, 8, 8]},
        ["datasets.own.patches.shape", "axes YX"],
    ),
    "2D patches of simulated volumes": (
        {"datasets.beads.patches.shape": [8, 8]},
        ["datasets.beads.patches.shape", "axes ZYX"],
    ),
    "2D patches of an archive's npz": (
        {"datasets.flies.patches.shape": [8, 8]},
        ["datasets.flies.patches.shape", "axes ZYX"],
    ),
    "thin patches": (
        {"datasets.worms.patches.shape": [3, 32, 64]},
        ["worms.patches.shape is [3, 32, 64]", "divisible by 4", "thin stacks set it to [32, 64]"],
    ),
    "voxel of two edges": (
        {"datasets.worms.voxel_size": [0.2, 0.2]},
        ["datasets.worms.voxel_size", "axes ZYX"],
    ),
    "nuclei in voxels of unknown size": (
        {"datasets.worms.nuclei": {"diameter": 5}},
        ["datasets.worms.nuclei", "datasets.worms.voxel_size is not given"],
    ),
    "nuclei smaller than a voxel": (
        {"datasets.worms.voxel_size": [2, 1, 1], "datasets.worms.nuclei": {"diameter": 1.5}},
        ["datasets.worms.nuclei.diameter is 1.5", "longest edge of a voxel, 2"],
    ),
    "sweep over a word": (
        {"studies.batches.varies": "loss"},
        ["studies.batches.varies", "loss", "not a number"],
    ),
    "sweep over what is tested apart": (
        {"studies.batches.tested_on": ["flies"]},
        ["studies.batches", "worms-4", "no dataset in common"],
    ),
    "sweep over yes and no": (
        {"studies.batches.varies": "residual"},
        ["studies.batches.varies", "not a number"],
    ),
    "sweep over an unknown value": (
        {"studies.batches.varies": "batchsize"},
        ["studies.batches.varies", "did you mean batch_size?"],
    ),
    "channel in the folders layout": (
        {"datasets.worms.conditions.0.source": 1},
        ["datasets.worms.conditions.0.source", "1", "folder"],
    ),
    "folder in the stacks layout": (
        {"datasets.flies.truth": "GT"},
        ["datasets.flies.truth", "GT", "channel"],
    ),
    "negative channel": ({"datasets.flies.truth": -1}, ["datasets.flies.truth", "-1", "channel"]),
    "truth among the conditions": (
        {"datasets.flies.truth": 0},
        ["datasets.flies", "truth", "different sources"],
    ),
    "layout other than the species'": (
        {"datasets.beads.simulate.species": "tribolium"},
        ["datasets.beads.layout", "folders", "stacks"],
    ),
    "patch larger than the simulated volume": (
        {"datasets.beads.simulate.shape": [8, 64, 64]},
        ["datasets.beads.patches.shape", "[8, 64, 64]"],
    ),
    "two tables of one name": (
        {"datasets.flies.table": "table_worms"},
        [
            "datasets.worms.table and datasets.flies.table share the name table_worms; set one to"
            " another"
        ],
    ),
    "two datasets of one label": (
        {"datasets.flies.label": "worms"},
        ["datasets.worms.label and datasets.flies.label share the name worms; set one to another"],
    ),
    "table named as a fixed one": (
        {"datasets.flies.table": "runtimes"},
        ["datasets.flies.table is runtimes, a name reserved", "set it to another"],
    ),
    "two figures of one name": (
        {
            "studies.more": {
                "base": "worms",
                "varies": "epochs",
                "figure": "batches",
                "models": {"long": {"epochs": 9}},
            }
        },
        [
            "studies.batches.figure and studies.more.figure share the name batches; set one to"
            " another"
        ],
    ),
    "figure named as a fixed one": (
        {"studies.batches.figure": "fig1_patches"},
        ["studies.batches.figure is fig1_patches, a name reserved"],
    ),
    "sweep named as a fixed figure": (
        {
            "studies.calibration": {
                "base": "worms",
                "varies": "epochs",
                "models": {"longer": {"epochs": 9}},
            }
        },
        ["studies.calibration.figure is calibration, a name reserved", "set it to another"],
    ),
    "protocol twice": ({"evaluation.protocols": ["paper", "paper"]}, ["evaluation.protocols"]),
}


@pytest.mark.parametrize(("changes", "said"), REFUSED.values(), ids=REFUSED)
def test_refused_in_one_sentence_that_names_the_key(changes, said, config, schema):
    with pytest.raises(StudyError) as refused:
        resolve(change(config, changes), schema)
    message = str(refused.value)
    assert all(words in message for words in said), message
    assert "\n" not in message
    assert message[-1] in ".?"


@pytest.mark.parametrize(
    ("key", "text", "write"),
    [
        ("learning_rate", "4e-4", "0.0004"),
        ("learning_rate", "1e-6", "1.0e-06"),
        ("learning_rate", "1", "1"),
        ("width", "8", "8"),
        ("validation_patches", "1e3", "1000"),
    ],
)
def test_a_number_read_as_text_is_told_how_to_write(key, text, write, config, schema):
    with pytest.raises(
        StudyError,
        match=rf"^training.{key} is '{text}', expected .*: write {write} without quotes, ",
    ):
        resolve(change(config, {f"training.{key}": text}), schema)
    resolve(change(config, {f"training.{key}": yaml.safe_load(write)}), schema)


OTHER_TEXT = [("width", "8.5"), ("width", "wide"), ("learning_rate", "nan"), ("loss", "8")]


@pytest.mark.parametrize(("key", "text"), OTHER_TEXT)
def test_other_text_is_not(key, text, config, schema):
    with pytest.raises(StudyError) as refused:
        resolve(change(config, {f"training.{key}": text}), schema)
    assert "write" not in str(refused.value)


MISSED = {
    "dataset tested on twice": (
        {"studies.main.tested_on": ["worms", "worms"]},
        ["studies.main.tested_on"],
    ),
    "stratum that is no regular expression": (
        {"datasets.worms.stratum": "_(fixed"},
        ["datasets.worms.stratum"],
    ),
    "stratum without a group": (
        {"datasets.worms.stratum": "_fixed_"},
        ["datasets.worms.stratum", "group"],
    ),
    "learning rate not a number": (
        {"training.learning_rate": float("nan")},
        ["training.learning_rate"],
    ),
    "axes of no npz": ({"datasets.flies.patches.axes": "SCABC"}, ["datasets.flies.patches.axes"]),
}


@pytest.mark.parametrize(("changes", "said"), MISSED.values(), ids=MISSED)
def test_refused_before_anything_runs(changes, said, config, schema):
    with pytest.raises(StudyError) as refused:
        resolve(change(config, changes), schema)
    assert all(words in str(refused.value) for words in said)


def test_whole_number_written_with_a_point_is_an_integer(config, schema):
    """JSON schema takes 8.0 for an integer; numpy and range() do not."""
    study = resolve(change(config, {"training.batch_size": 8.0}), schema)
    assert isinstance(study.models["worms"].training.batch_size, int)


def test_date_is_refused_as_any_other_wrong_type(schema):
    text = SMALL.replace("title: A small study", "title: 2019-05-01")
    with pytest.raises(StudyError, match="title is .*, expected string"):
        resolve(yaml.safe_load(text), schema)


@pytest.mark.parametrize("nothing", [None, [], "text", {}])
def test_what_is_no_config_at_all(nothing, schema):
    with pytest.raises(StudyError, match="the config"):
        resolve(nothing, schema)


# The schema


def keys(schema, path=""):
    """Every key that the schema describes, as (dotted path, its schema, whether it is required)."""
    for name, below in schema.get("properties", {}).items():
        yield f"{path}{name}", below, name in schema.get("required", [])
        yield from keys(below, f"{path}{name}.")
    for name, below in schema.get("$defs", {}).items():
        yield from keys(below, f"{path}{name}.")
    for place in ("items", "additionalProperties"):
        if isinstance(schema.get(place), dict):
            yield from keys(schema[place], path)


def test_every_key_has_a_type_a_description_and_a_default(schema):
    lacking = []
    for path, key, required in keys(schema):
        lacking += [f"{path}: type"] * ("type" not in key and "enum" not in key)
        lacking += [f"{path}: description"] * (len(key.get("description", "")) < 10)
        optional = not required and path not in {
            f"dataset.{source}" for source in SOURCES
        }  # exactly one is given
        lacking += [f"{path}: default"] * (optional and "default" not in key)
    assert not lacking


def test_typos_are_errors_at_every_level(schema):
    described = [
        ("the config", schema),
        *((path, key) for path, key, _ in keys(schema)),
        *schema["$defs"].items(),
    ]
    open_objects = [
        path
        for path, key in described
        if "properties" in key and key.get("additionalProperties") is not False
    ]
    assert not open_objects


def subschemas(schema):
    """Every mapping of the schema, the whole first."""
    yield schema
    for below in schema.values():
        if isinstance(below, dict):
            yield from subschemas(below)


def test_every_pattern_says_in_words_what_it_expects(schema):
    patterns = [each for each in subschemas(schema) if isinstance(each.get("pattern"), str)]
    assert len(patterns) == 8
    assert all(isinstance(each.get("expected"), str) for each in patterns)


def test_schema_is_valid_and_so_are_its_defaults(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    for path, key, _ in keys(schema):
        if key.get("default") is not None:
            assert jsonschema.Draft202012Validator(key).is_valid(key["default"]), path
