"""Each key of the config runs again what the schema says of it, and nothing before that.

The jobs of a config with one value changed are held against those of the config before: their
params and sets of inputs, by which Snakemake decides what it runs again.
"""

import copy
import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
import yaml
from conftest import HERE, ROOT
from made_up_networks import save_network

# The rules of each stage; what follows a stage runs again with it
STAGES = {
    "data": [
        "simulate", "download", "use_archive", "unpack", "import_pairs", "import_npz",
        "check_pairs",
    ],
    "patches": ["patches"],
    "split": ["split"],
    "training": ["take_over", "check_start", "train"],
    "restoration": [
        "check_leaks", "restore", "restore_truth", "restore_slab", "gather_slabs", "ensemble",
        "tune_baseline", "baseline", "restore_images",
    ],
    "scores": [
        "evaluate", "conformal", "calibrate", "objects", "resolution", "protocol_ladder",
        "gather_scores", "gather_explanations", "patch_examples", "restoration_examples",
        "viewer_sections",
    ],
    "report": ["table", "figure", "viewer"],
}  # fmt: skip
# They record the config, or only gather
ALWAYS = {"provenance", "findings", "crate", "all", "restored"}


@dataclass(frozen=True)
class Together:
    """A value, and what must change with it."""

    value: object
    others: dict


SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
LOW, HIGH = "raw/*_low.tif", "raw/*_high.tif"
MINE = {
    "pairs": {"low": LOW, "high": HIGH, "axes": "YX"},
    "patches": {"shape": [8, 8]},
}
FETCHED = {
    "archive": {"path": "worms.tar"},
    "conditions": [{"name": "1", "source": "condition_1"}],
    "patches": {"shape": [8, 16, 16]},
}
THEIRS = {"npz": {"path": "a.npz"}, "patches": {"source": "npz", "shape": [8, 8]}}
OWN = {"models": {"mine-care": {"trained_on": "mine"}, "fetched-care": {"trained_on": "fetched"}}}
MORE = {
    "base": "planaria-100", "varies": "steps_per_epoch",
    "models": {"planaria-steps": {"steps_per_epoch": 2}},
}  # fmt: skip
# For each key of the schema: where it stands in the study, and a value that differs. A key that
# cannot change alone has the others that must beside it.
CHANGES: dict[str, object] = {
    "title": "Another", "note": "Another", "seed": 4, "device": "cpu", "tensorboard": True,
    "compute.threads": 2, "compute.xla": False, "compute.resident": False,
    "compute.memory_growth": False, "validation_fraction": 0.4,
    "datasets.planaria.label": "worms", "datasets.planaria.table": "worms",
    "datasets.mine.published": "planaria",
    "datasets.planaria.simulate.species": Together(
        "tribolium", {"datasets.planaria.layout": "stacks", "datasets.planaria.truth": 3,
        "datasets.planaria.conditions": [{"name": "1", "source": 0}],
        "datasets.planaria.patches.source": "npz", "training.split": "random",
        "studies.generalization.models.planaria-100.split": "random"},
    ),
    "datasets.planaria.simulate.shape": [8, 56, 48],
    "datasets.planaria.simulate.train_volumes": 4, "datasets.planaria.simulate.test_volumes": 3,
    "datasets.tribolium.simulate.patches": 26,
    "datasets.fetched.archive.path": "others.tar", "datasets.fetched.archive.sha256": "0" * 64,
    "datasets.fetched.archive.url": Together(
        "https://example.org/worms.tar", {"datasets.fetched.archive.path": None}
    ),
    "datasets.fetched.archive.allow_http": True,
    "datasets.mine.pairs.low": Together(HIGH, {"datasets.mine.pairs.high": LOW}),
    "datasets.mine.pairs.high": Together(LOW, {"datasets.mine.pairs.low": HIGH}),
    "datasets.mine.pairs.axes": Together(
        "ZYX",
        {"datasets.mine.patches.shape": [4, 8, 8], "datasets.theirs.patches.shape": [4, 8, 8]},
    ),
    "datasets.mine.pairs.frames": "all",
    "datasets.mine.pairs.channel": 1,
    "datasets.theirs.npz.path": "b.npz",
    "datasets.theirs.npz.channel": 1,
    "datasets.fetched.layout": Together(
        "stacks", {"datasets.fetched.truth": 1, "datasets.fetched.conditions.0.source": 0}
    ),
    "datasets.mine.pairs.test_fraction": 0.6,
    "datasets.mine.pairs.largest_shift": 2,
    "datasets.fetched.truth": "truth",
    "datasets.planaria.conditions.0.name": "7",
    "datasets.fetched.conditions.0.source": "condition_9",
    "datasets.fetched.conditions.0.exposure": 0.1,
    "datasets.planaria.stratum": "_(f|l)", "datasets.planaria.voxel_size": [3.0, 0.8, 0.8],
    "datasets.planaria.nuclei.diameter": 6, "datasets.planaria.nuclei.contrast": 0.1,
    "datasets.planaria.patches.shape": [8, 24, 16], "datasets.tribolium.patches.axes": "SZYXC",
    "datasets.planaria.patches.source": Together(
        "npz", {"studies.generalization.models.planaria-100.split": "random"}
    ), "datasets.planaria.patches.per_volume": 5,
    "datasets.planaria.patches.percentiles": [3, 99.9],
    "training.trained_on": Together(
        "planaria", {"studies.own.models": OWN["models"] | {"fetched-care": {}}}
    ),
    "training.training_volumes": Together(
        2, {"studies.generalization.models.tribolium-100.training_volumes": None}
    ),
    "training.width": 8, "training.depth": 1, "training.kernel": 5, "training.residual": False,
    "training.last_activation": "relu", "training.initial_weights": "identity",
    "training.loss": "mae", "training.scale_weight": 1, "training.epochs": 3,
    "training.steps_per_epoch": 8, "training.batch_size": 4, "training.learning_rate": 0.001,
    "training.warmup_steps": 2, "training.schedule": "cosine", "training.plateau_factor": 0.4,
    "training.plateau_patience": 2, "training.plateau_min_delta": 0.1,
    "training.start_from": Together(
        "network",
        {"studies.own.models.mine-care.start_from": None,
        "studies.theirs.models.theirs-care.start_from": None},
    ),
    "training.restarts": 0, "training.collapse_steps": 5, "training.split": "tail",
    "training.early_stopping_patience": Together(3, {"studies.batch_size.sample_matched": False}),
    "training.validation_patches": 2, "training.augment": True, "training.precision": "bfloat16",
    "training.seeds": [5], "restoration.max_tile_voxels": 9999, "restoration.jobs": 2,
    "restoration.format": "ome-zarr", "restoration.dtype": "float16",
    "restoration.compression": False, "restoration.keep": True,
    "restore.images": ["raw"], "restore.model": "fetched-care", "restore.output": "out",
    "restore.axes": "YX", "restore.channels": [0], "restore.percentiles": [1, 99],
    "restore.format": "ome-zarr", "restore.dtype": "float16", "restore.compression": False,
    "studies.batch_size.base": Together(
        None,
        {
            "studies.batch_size.models.planaria-batch8.trained_on": "planaria",
            "studies.batch_size.sample_matched": False,
        },
    ),
    "studies.batch_size.varies": Together(
        "epochs",
        {
            "studies.batch_size.models.planaria-batch8": {"epochs": 3},
            "studies.batch_size.sample_matched": False,
        },
    ),
    "studies.more.sample_matched": True,
    "studies.batch_size.matched_validation_patches": 2,
    "studies.batch_size.figure": "fig4",
    "studies.more.tested_on": ["planaria", "tribolium"],
    "studies.own.models": OWN["models"] | {"third": {"trained_on": "mine", "width": 8}},
    "baselines": ["gaussian"], "evaluation.protocols": ["paper"],
}  # fmt: skip


def where(key):
    """A key of the study as the schema has it: NAME for what the study names, [] for a number."""
    parts = key.split(".")
    for i, part in enumerate(parts):
        if parts[i - 1] in ("datasets", "studies") and i:
            parts[i] = "NAME"
        elif part.isdigit():
            parts[i] = "[]"
    return ".".join(parts)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder with what the config below names, and the config."""
    folder = tmp_path_factory.mktemp("reruns")
    for name in ("raw/a_low.tif", "raw/a_high.tif", "raw/b_low.tif", "raw/b_high.tif",
                 "new/c.tif", "worms.tar", "a.npz", "b.npz", "others.tar"):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    config = yaml.safe_load((HERE / "miniature.yaml").read_text())
    save_network(folder / "network", axes="ZYXC")
    config["datasets"] |= {"mine": copy.deepcopy(MINE), "fetched": copy.deepcopy(FETCHED)}
    config["datasets"]["theirs"] = copy.deepcopy(THEIRS)
    theirs = {
        "tested_on": ["mine"],
        "models": {"theirs-care": {"trained_on": "theirs", "training_volumes": None}},
    }
    config["studies"] |= {"own": OWN, "more": MORE, "theirs": theirs}
    config["restore"] = {"images": ["new"], "model": "mine-care"}
    return folder, config


def changed(config, key, value):
    """The config with one value changed, and those that must change with it."""
    config = copy.deepcopy(config)
    others = value.others if isinstance(value, Together) else {}
    value = value.value if isinstance(value, Together) else value
    for name, new in {key: value, **others}.items():
        *path, last = name.split(".")
        place = config
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        place[last] = new
    return config


@pytest.fixture(scope="module")
def jobs(study):
    """The jobs of the config, and of the config with each change."""
    folder, config = study
    paths = []
    for number, one in enumerate([config, *(changed(config, *c) for c in CHANGES.items())]):
        paths.append(folder / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(one, sort_keys=False))
    command = [sys.executable, HERE / "recorded.py", ROOT / "Snakefile", folder, *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    before, *after = json.loads(done.stdout)
    return before, dict(zip(CHANGES, after, strict=True))


def identity(job):
    return job["rule"], tuple(job["output"])


def run_again(before, after):
    """Stages of the jobs that are new or changed, in order."""
    known = {identity(job): (job["params"], job["inputs"]) for job in before}
    rules = {
        job["rule"] for job in after if known.get(identity(job)) != (job["params"], job["inputs"])
    }
    assert rules <= ALWAYS.union(*STAGES.values())
    return [stage for stage, names in STAGES.items() if rules & set(names)]


def leaves(schema, path=""):
    """Every key that holds a value and not other keys, with its schema."""
    for name, below in schema.get("properties", {}).items():
        inside = below.get("additionalProperties")
        if isinstance(inside, dict) and "$ref" in inside:
            definition = SCHEMA["$defs"][inside["$ref"].split("/")[-1]]
            yield from leaves(definition, f"{path}{name}.NAME.")
        elif "properties" in below:
            yield from leaves(below, f"{path}{name}.")
        elif "properties" in below.get("items", {}):
            yield from leaves(below["items"], f"{path}{name}.[].")
        else:
            yield f"{path}{name}", below


SAID = {name: key.get("reruns") for name, key in leaves(SCHEMA)}


def test_every_key_says_from_where_it_runs_again_and_is_changed_here():
    assert set(SAID.values()) <= {*STAGES, "nothing"}
    assert {where(key) for key in CHANGES} == set(SAID)


@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_key_runs_again_what_the_schema_says(jobs, key):
    before, after = jobs
    stages = run_again(before, after[key])
    assert (stages or ["nothing"])[0] == SAID[where(key)]
