"""The study a config describes: validated, defaults filled in, every model's values resolved.

A resolved study is a plain dict: the config's own keys, and beside them

    models      {name: values}: each value of `training`, with differences applied; `seeds` is a list
    runs        {name: {model, seed}}: the trainings, one for each seed of a model
    ensembles   {name: model}: the mean of a model's runs, where it has several
    tests       {name: [dataset, ...]}: what each model is tested on, in the order of the studies
    config      the config with its defaults filled in, which is a config again
    studies     with the base of each sweep among its `models`, in the order of the varied value, and in `matched` the
                models of its sample-matched arm in the same order
"""

import copy
import difflib
import math
import re
from numbers import Real
from pathlib import Path

import jsonschema
import yaml

BASELINES = ("gaussian", "median", "tv", "wavelet", "nlm")
RESERVED = ("input", "truth", *BASELINES)
SOURCES = ("simulate", "archive", "pairs")
# Layouts of the published archives, which simulated ones have too
LAYOUTS = {"planaria": "folders", "tribolium": "stacks"}
# Their product is the number of patches that a training sees
LENGTH = ("batch_size", "steps_per_epoch", "epochs")
# What makes up for the value that a sweep varies, where the number of patches seen is held
MATCHED_BY = {"batch_size": "steps_per_epoch", "steps_per_epoch": "epochs"}


class StudyError(ValueError):
    """A config that describes no study; the message is one sentence that names the key."""


def refuse_repeated_keys(path: Path) -> None:
    """Refuse a YAML file in which a key stands twice in one mapping: whoever reads it silently takes the last.

    JSON, and what is no YAML, are left to Snakemake.

    Raises
    ------
    StudyError
        Naming the file, the key, and the lines in which it stands.
    """
    if path.suffix == ".json":
        return
    try:
        waiting = [yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)]
    except (OSError, ValueError, yaml.YAMLError):
        return
    seen = set()  # an alias is the node that it stands for, which may hold the alias
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_repeated(node, path)
            waiting += [inner for _, inner in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _refuse_repeated(mapping: yaml.MappingNode, path: Path) -> None:
    first = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        line = key.start_mark.line + 1
        if (key.tag, key.value) in first:
            raise StudyError(
                f"{path}, line {line}: the key {key.value} stands in line {first[key.tag, key.value]} already, and "
                "only one of the two would count; rename or delete one."
            )
        first[key.tag, key.value] = line


def resolve(config: dict, schema: dict) -> dict:
    """Validate `config` against `schema`, fill in defaults, and resolve every model.

    Parameters
    ----------
    config : dict
        As read from YAML; not changed.
    schema : dict
        workflow/schemas/config.schema.yaml.

    Returns
    -------
    dict
        The resolved study.

    Raises
    ------
    StudyError
        Naming the key at fault, what it holds, and what was expected.
    """
    study = _plain(config)
    _validate(study, schema)
    filled_in = copy.deepcopy(study)
    for name, dataset in study["datasets"].items():
        _resolve_dataset(name, dataset)
    study["models"], study["tests"] = {}, {}
    for name, entry in study["studies"].items():
        _resolve_models(name, entry, study, schema)
        _resolve_sweep(name, entry, study)
        _resolve_matched(name, entry, study)
    for name, values in study["models"].items():
        _check_model(name, values, study)
    for name, entry in study["studies"].items():
        _check_sweep(name, entry, study)
    _resolve_runs(study)
    _check_files(study)
    return study | {"config": filled_in}


def _plain(value):
    """A copy in which nothing is shared (YAML anchors share), and whole numbers such as 8.0 are integers."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _validate(config: dict, schema: dict) -> None:
    validator = _filling_defaults(jsonschema.Draft202012Validator)(schema)
    error = jsonschema.exceptions.best_match(validator.iter_errors(config))
    if error is not None:
        raise StudyError(_sentence(error))
    _check_finite("", config)


def _check_finite(where: str, value) -> None:
    """JSON schema lets .nan and .inf pass as numbers."""
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{where} is {value}, expected a finite number.")
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_finite(f"{where}.{key}" if where else str(key), inner)


def _filling_defaults(validator):
    """A validator that fills in defaults as it goes (the recipe of jsonschema's own documentation)."""
    check_properties = validator.VALIDATORS["properties"]

    def fill(instance_validator, properties, instance, schema):
        if isinstance(instance, dict):
            for key, subschema in properties.items():
                if "default" in subschema:
                    instance.setdefault(key, copy.deepcopy(subschema["default"]))
        yield from check_properties(instance_validator, properties, instance, schema)

    return jsonschema.validators.extend(validator, {"properties": fill})


def _sentence(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path)) or "the config"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return _unknown_key(where, unknown[0], known)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: the key {missing[0]} is missing."
    if error.validator == "type":
        expected = error.validator_value
        expected = [expected] if isinstance(expected, str) else expected
        remedy = _number_meant(error.instance, expected)
        return f"{where} is {error.instance!r}, expected {' or '.join(expected)}{remedy}."
    if error.validator == "enum":
        return f"{where} is {error.instance!r}, expected one of {', '.join(map(str, error.validator_value))}."
    if error.validator == "pattern":
        return f"{where}: found {error.instance!r}, expected {error.schema['expected']}."
    return f"{where}: {error.message}."


def _number_meant(value, expected: list[str]) -> str:
    """How to write a number that was read as text: 4e-4 is text in YAML 1.1, as is all that is nested in --config."""
    try:
        number = _plain(float(value)) if isinstance(value, str) else math.nan
    except ValueError:
        return ""
    fits = "number" in expected or ("integer" in expected and isinstance(number, int))
    if not fits or not math.isfinite(number):
        return ""
    as_yaml = yaml.safe_dump(number).split()[0]
    return (
        f": write {as_yaml} without quotes, in a config file (--config sets top-level values only)"
    )


def _unknown_key(where: str, key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(str(key), known, 1)
    hint = f"did you mean {close[0]}?" if close else f"known keys are {', '.join(known)}."
    return f"{where} has no key {key}: {hint}"


def _resolve_dataset(name: str, dataset: dict) -> None:
    key = f"datasets.{name}"
    sources = [source for source in SOURCES if source in dataset]
    if len(sources) != 1:
        raise StudyError(
            f"{key} has {' and '.join(sources) or 'no source'}, expected exactly one of {', '.join(SOURCES)}."
        )
    dataset["label"] = dataset["label"] or name
    dataset["table"] = dataset["table"] or f"table_{name}"
    dataset["axes"] = "ZYX"
    if "pairs" in dataset:
        _resolve_pairs(key, dataset)
    else:
        _check_layout(key, dataset)
    if "archive" in dataset:
        _check_archive(key, dataset["archive"])
    if "simulate" in dataset:
        _check_simulation(key, dataset)
    names = [condition["name"] for condition in dataset["conditions"]]
    taken = (*RESERVED, "scale")
    if len(set(names)) < len(names) or set(names) & set(taken):
        raise StudyError(
            f"{key}.conditions are named {', '.join(names)}: names must differ, and not be {' or '.join(taken)}."
        )
    _check_lengths(key, dataset)
    _check_stratum(key, dataset["stratum"])


def _check_stratum(key: str, pattern: str | None) -> None:
    try:
        groups = 1 if pattern is None else re.compile(pattern).groups
    except re.error as error:
        raise StudyError(
            f"{key}.stratum is {pattern!r}, which is no regular expression: {error}."
        ) from None
    if groups != 1:
        raise StudyError(
            f"{key}.stratum is {pattern!r} with {groups} groups, expected one group: the stratum."
        )


def _resolve_pairs(key: str, dataset: dict) -> None:
    if dataset["conditions"]:
        raise StudyError(
            f"{key}.conditions cannot be given with pairs, whose one condition is called low."
        )
    if dataset["patches"]["source"] != "volumes":
        raise StudyError(f"{key}.patches.source is npz, but pairs bring no npz: set it to volumes.")
    dataset["conditions"] = [{"name": "low", "source": "low"}]
    dataset["axes"] = dataset["pairs"]["axes"]


def _check_layout(key: str, dataset: dict) -> None:
    kind, noun = (
        (str, "a folder's name") if dataset["layout"] == "folders" else (int, "a channel's number")
    )
    if not dataset["conditions"]:
        raise StudyError(
            f"{key}.conditions is empty, expected the low-SNR conditions, the cleanest first."
        )
    places = {"truth": dataset["truth"]}
    places |= {f"conditions.{i}.source": c["source"] for i, c in enumerate(dataset["conditions"])}
    for place, value in places.items():
        if not isinstance(value, kind) or (kind is int and value < 0):
            raise StudyError(
                f"{key}.{place} is {value!r}, but layout {dataset['layout']} needs {noun}."
            )
    if len(set(places.values())) < len(places):
        raise StudyError(
            f"{key}: truth and conditions must come from different sources, found {list(places.values())}."
        )


def _check_archive(key: str, archive: dict) -> None:
    given = [source for source in ("url", "path") if archive[source]]
    if len(given) != 1:
        raise StudyError(
            f"{key}.archive has {' and '.join(given) or 'neither url nor path'}, expected exactly one of url, path."
        )


def _check_simulation(key: str, dataset: dict) -> None:
    species, shape, patch = (
        dataset["simulate"]["species"],
        dataset["simulate"]["shape"],
        dataset["patches"]["shape"],
    )
    layout = LAYOUTS[species]
    if dataset["layout"] != layout:
        raise StudyError(
            f"{key}.layout is {dataset['layout']}, but archives of {species} have the layout {layout}."
        )
    if len(patch) == 3 and any(p > s for p, s in zip(patch, shape, strict=True)):
        raise StudyError(
            f"{key}.patches.shape is {patch}, larger than the simulated volumes of {shape}."
        )
    if species == "tribolium" and dataset["patches"]["source"] == "volumes":
        raise StudyError(
            f"{key}.patches.source is volumes, but archives of tribolium bring no training volumes: set it to npz."
        )


def _check_lengths(key: str, dataset: dict) -> None:
    axes = dataset["axes"]
    for place, values in (
        ("patches.shape", dataset["patches"]["shape"]),
        ("voxel_size", dataset["voxel_size"]),
    ):
        if values is not None and len(values) != len(axes):
            raise StudyError(
                f"{key}.{place} is {values}, expected a value for each of the axes {axes}."
            )


def _resolve_models(name: str, entry: dict, study: dict, schema: dict) -> None:
    key, base = f"studies.{name}", study["training"]
    if entry["base"] is not None:
        if entry["base"] not in study["models"]:
            earlier = ", ".join(study["models"]) or "there is none"
            raise StudyError(
                f"{key}.base is {entry['base']}, expected a model of an earlier study: {earlier}."
            )
        base = study["models"][entry["base"]]
    for model, differences in entry["models"].items():
        if model in study["models"] or model in RESERVED:
            raise StudyError(
                f"{key}.models.{model}: the name is taken, by another study's model or by {', '.join(RESERVED)}."
            )
        values = {
            **base,
            **_checked_differences(f"{key}.models.{model}", differences or {}, schema),
        }
        values["seeds"] = list(values["seeds"] or [study["seed"]])
        if values["trained_on"] is None:
            raise StudyError(
                f"{key}.models.{model}: trained_on is missing; give it here, in the base or in training."
            )
        tested_on = entry["tested_on"] or []
        if len(set(tested_on)) < len(tested_on):
            raise StudyError(f"{key}.tested_on is {tested_on}, expected each dataset once.")
        study["models"][model] = values
        study["tests"][model] = list(entry["tested_on"] or [values["trained_on"]])


def _checked_differences(key: str, differences: dict, schema: dict) -> dict:
    """Validate a model's own values against the schema of `training`, without its defaults."""
    training = schema["properties"]["training"]
    error = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(training).iter_errors(differences)
    )
    if error is not None:
        error.absolute_path.extendleft(reversed(key.split(".")))
        raise StudyError(_sentence(error))
    return differences


def _resolve_sweep(name: str, entry: dict, study: dict) -> None:
    entry["models"] = list(entry["models"])
    varies = entry["varies"]
    if varies is None and entry["figure"] is not None:
        raise StudyError(
            f"studies.{name}.figure is given, but the study varies no value: give varies too."
        )
    entry["figure"] = entry["figure"] or name
    if varies is None:
        return
    if varies not in study["training"]:
        raise StudyError(
            _unknown_key(
                f"studies.{name}.varies names {varies}, but training",
                varies,
                list(study["training"]),
            )
        )
    models = entry["models"] + ([entry["base"]] if entry["base"] else [])
    values = {model: study["models"][model][varies] for model in models}
    if not all(
        isinstance(value, Real) and not isinstance(value, bool) for value in values.values()
    ):
        raise StudyError(
            f"studies.{name}.varies is {varies}, which is not a number in every model: {values}."
        )
    entry["models"] = sorted(models, key=values.get)


def _resolve_matched(name: str, entry: dict, study: dict) -> None:
    """Add the second arm of a sweep: its models again, each seeing as many patches as the base."""
    key, base, varies = f"studies.{name}.sample_matched", entry["base"], entry["varies"]
    entry["matched"] = []
    if not entry["sample_matched"]:
        return
    if base is None or varies not in MATCHED_BY:
        raise StudyError(
            f"{key} is given, but base is {base} and varies is {varies}: give the base whose number of patches is "
            f"held, and let the study vary {' or '.join(MATCHED_BY)}."
        )
    for model in entry["models"]:
        matched = base if model == base else f"{model}-matched"
        if model != base:
            if matched in study["models"]:
                raise StudyError(
                    f"{key}: the name {matched} of a model of the second arm is taken; rename the other."
                )
            study["models"][matched] = _matched(key, model, base, varies, study["models"])
            study["tests"][matched] = list(study["tests"][model])
        entry["matched"].append(matched)


def _matched(key: str, model: str, base: str, varies: str, models: dict) -> dict:
    """The model's values, trained for as many patches as the base."""
    values, held, makes_up = copy.deepcopy(models[model]), models[base], MATCHED_BY[varies]
    others = [each for each in LENGTH if each != varies and values[each] != held[each]]
    if others:
        raise StudyError(
            f"{key}: {model} differs from {base} in {' and '.join(others)} too, not in {varies} alone; leave that as "
            "the base has it, or move the model to another study."
        )
    if values["early_stopping_patience"] is not None:
        raise StudyError(
            f"{key}: {model} has early_stopping_patience {values['early_stopping_patience']}, and a training that ends "
            "early sees fewer patches than the base; set it to null in this sweep and its base."
        )
    product = held[varies] * held[makes_up]
    values[makes_up], rest = divmod(product, values[varies])
    if rest:
        divisors = [number for number in range(1, product + 1) if product % number == 0]
        nearest = sorted(sorted(divisors, key=lambda number: abs(number - values[varies]))[:2])
        raise StudyError(
            f"{key}: {model} with {varies} {values[varies]} would need {product} / {values[varies]} {makes_up}, which "
            f"is no whole number; give it a {varies} that divides {product}, such as {' or '.join(map(str, nearest))}."
        )
    # Patience counts epochs: left alone, shorter epochs would let the learning rate fall after fewer patches
    values["plateau_patience"] = max(
        1, round(values["plateau_patience"] * values["epochs"] / held["epochs"])
    )
    return values


def _resolve_runs(study: dict) -> None:
    """A run for each seed of a model, and an ensemble where a model has several."""
    study["runs"], study["ensembles"] = {}, {}
    for model, values in study["models"].items():
        several = len(values["seeds"]) > 1
        runs = _runs(model, values["seeds"])
        ensembles = [f"{model}-ensemble"] * several
        taken = [name for name in (*runs, *ensembles) if several and name in study["models"]]
        if taken:
            raise StudyError(
                f"model {model}: its seeds {values['seeds']} make {taken[0]}, which is the name of another model; "
                "rename one of the two."
            )
        study["runs"] |= {run: {"model": model, "seed": seed} for run, seed in runs.items()}
        study["ensembles"] |= dict.fromkeys(ensembles, model)


def _runs(model: str, seeds: list[int]) -> dict[str, int]:
    """Name to seed of a model's runs."""
    return {f"{model}-seed{seed}" if len(seeds) > 1 else model: seed for seed in seeds}


def _check_sweep(name: str, entry: dict, study: dict) -> None:
    tests = {model: study["tests"][model] for model in entry["models"]}
    if entry["varies"] and not set.intersection(*map(set, tests.values())):
        raise StudyError(
            f"studies.{name} compares models that are tested on no dataset in common: {tests}."
        )


def _check_model(name: str, values: dict, study: dict) -> None:
    datasets = study["datasets"]
    for key, dataset in [
        ("trained_on", values["trained_on"]),
        *(("tested_on", d) for d in study["tests"][name]),
    ]:
        if dataset not in datasets:
            raise StudyError(
                f"model {name}: {key} is {dataset}, which is no dataset; there are {', '.join(datasets)}."
            )
    trained = datasets[values["trained_on"]]
    multiple = 2 ** values["depth"]
    if any(size % multiple for size in trained["patches"]["shape"]):
        raise StudyError(
            f"datasets.{values['trained_on']}.patches.shape is {trained['patches']['shape']}, but model {name} "
            f"of depth {values['depth']} needs every edge divisible by {multiple}."
        )
    if values["split"] == "by-volume" and trained["patches"]["source"] == "npz":
        raise StudyError(
            f"model {name}: split is by-volume, but the published npz of {values['trained_on']} does not tell the "
            "volumes of its patches: use tail or random."
        )
    for dataset in study["tests"][name]:
        if datasets[dataset]["axes"] != trained["axes"]:
            raise StudyError(
                f"model {name}: trained on {values['trained_on']} with axes {trained['axes']}, it cannot be tested on "
                f"{dataset} with axes {datasets[dataset]['axes']}."
            )


def _check_files(study: dict) -> None:
    """No two results may claim one file name."""
    varied = {key: entry for key, entry in study["studies"].items() if entry["varies"]}
    tested = {key: study["datasets"][key] for key in tested_datasets(study)}
    _check_names(
        {f"datasets.{key}.table": entry["table"] for key, entry in tested.items()}, tables(study)
    )
    _check_names(
        {f"studies.{key}.figure": entry["figure"] for key, entry in varied.items()}, figures(study)
    )


def _check_names(given: dict[str, str], taken: list[str]) -> None:
    """Refuse a name that two keys give, or that the workflow has taken too; `taken` holds the names of all files."""
    for name in given.values():
        keys = [key for key, each in given.items() if each == name]
        if len(keys) > 1:
            raise StudyError(f"{' and '.join(keys)} share the name {name}; set one to another.")
        if taken.count(name) > 1:
            raise StudyError(
                f"{keys[0]} is {name}, a name reserved for the workflow's own file; set it to another."
            )


def conditions(study: dict, dataset: str) -> list[str]:
    """The names of a dataset's low-SNR conditions, the cleanest first."""
    return [condition["name"] for condition in study["datasets"][dataset]["conditions"]]


def training_sets(study: dict, dataset: str) -> dict[str, dict]:
    """The values of every model that trains on `dataset`."""
    return {
        name: values for name, values in study["models"].items() if values["trained_on"] == dataset
    }


def runs_of(study: dict, model: str) -> list[str]:
    """The names of a model's runs, in the order of its seeds."""
    return list(_runs(model, study["models"][model]["seeds"]))


def cross_tested(study: dict) -> bool:
    """Whether any model is tested on a dataset that it was not trained on."""
    return any(
        dataset != study["models"][model]["trained_on"]
        for model, tests in study["tests"].items()
        for dataset in tests
    )


def sweeps(study: dict) -> dict[str, str]:
    """Figure name to study name, for every study that varies one value."""
    return {entry["figure"]: name for name, entry in study["studies"].items() if entry["varies"]}


def tested_datasets(study: dict) -> list[str]:
    """Every dataset that a model is tested on, in the config's order."""
    tested = {dataset for tests in study["tests"].values() for dataset in tests}
    return [name for name in study["datasets"] if name in tested]


def probabilistic_runs(study: dict) -> list[str]:
    """The runs whose networks predict the scale of their error."""
    return [
        run
        for run, each in study["runs"].items()
        if study["models"][each["model"]]["loss"] == "laplace"
    ]


def with_strata(study: dict) -> list[str]:
    """The tested datasets whose volumes' names tell a stratum."""
    return [name for name in tested_datasets(study) if study["datasets"][name]["stratum"]]


def tables(study: dict) -> list[str]:
    """Names of the study's tables."""
    names = [study["datasets"][name]["table"] for name in tested_datasets(study)]
    names += ["hyperparameters", "runtimes", "runtime_lines", "comparisons", "restoration_runtimes"]
    names += ["why_the_numbers_differ"]
    names += ["strata"] * bool(with_strata(study)) + ["calibration"] * bool(
        probabilistic_runs(study)
    )
    return names + ["generalization"] * cross_tested(study)


def figures(study: dict) -> list[str]:
    """Names of the study's figures."""
    names = [
        "fig1_patches",
        "fig2_restoration",
        "learning_curves",
        "runtimes",
        "why_the_numbers_differ",
    ]
    names += ["calibration"] * bool(probabilistic_runs(study))
    names += [entry["figure"] for entry in study["studies"].values() if entry["varies"]]
    return names + ["fig3_generalization"] * cross_tested(study)
