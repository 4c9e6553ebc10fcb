"""The RO-Crate of results: what its profiles require, and whether files are as it says."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest

from denoising.report.crate import PROFILES, Rule, Run, known_checksums, write_crate
from denoising.running.jobs import Job
from denoising.running.verification import content_of, disagreements

START = datetime(2026, 11, 30, 12, tzinfo=UTC)


def job(name, inputs, outputs, minutes):
    start = START + timedelta(minutes=minutes)
    rule = name.split("/")[0]
    return Job(rule, name, inputs, outputs, ("seed 7",), start, start + timedelta(minutes=1))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Results of a study of own images: one folder of volumes, one model, one table."""
    monkeypatch.chdir(tmp_path)
    files = [
        "raw/a b_low.tif", "results/volumes/mine/train/a.tif", "results/volumes/mine/volumes.csv",
        "results/models/mine care/weights_best.h5", "results/tables/scores.csv",
        "results/config.yaml", "results/README.md", "results/code/Snakefile",
        "results/code/envs/care.yaml", "results/code/resources/published.csv",
    ]  # fmt: skip
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}")
    record = {
        "commit": "abc", "uncommitted_changes": [], "python": "3.12", "platform": "Linux",
        "processor": "A CPU", "seeds": {"mine care": 7}, "inputs": {},
        "packages": {
            "snakemake": {"pinned": "9.25.2", "installed_here": "9.25.2"},
            "tensorflow": {"pinned": "2.19.1", "installed_here": "not installed"},
        },
    }  # fmt: skip
    weights, scores = "results/models/mine care/weights_best.h5", "results/tables/scores.csv"
    jobs = [
        job("import_pairs/mine", ("raw/a b_low.tif",), ("results/volumes/mine",), 0),
        job("train/mine care", ("results/volumes/mine",), (weights,), 1),
        job("restore/mine", (weights,), ("results/restored/mine",), 2),
        job("table/scores", ("results/restored/mine", "/x/resources/published.csv"), (scores,), 3),
    ]
    rules = {name.rule: Rule("It does so.", "care.yaml", "all.smk") for name in jobs}
    run = Run("Mine", "", record, jobs, rules, [scores])
    write_crate(run, tmp_path / "results", {})
    return tmp_path


@pytest.fixture
def entities(folder):
    graph = json.loads((folder / "results/ro-crate-metadata.json").read_text())["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph)
    return {entity["@id"]: entity for entity in graph}


def ids(value):
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def of_type(entities, name):
    return [one for one in entities.values() if name in (one["@type"], *one["@type"][:4])]


def test_every_reference_is_described(entities):
    """But those to the specification's own pages."""
    for entity in entities.values():
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and not one["@id"].startswith("https://"):
                    assert one["@id"] in entities


def test_the_crate_names_its_profiles(entities):
    assert set(PROFILES) == set(ids(entities["./"]["conformsTo"]))
    assert all(entities[profile]["@type"] == "CreativeWork" for profile in PROFILES)
    assert "https://w3id.org/ro/crate/1.1" in ids(entities["ro-crate-metadata.json"]["conformsTo"])
    assert {"name", "description", "datePublished", "license"} <= set(entities["./"])


def test_the_main_entity_is_the_workflow_with_its_tools_and_steps(entities):
    (main,) = ids(entities["./"]["mainEntity"])
    workflow = entities[main]
    wanted = {"File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"}
    assert set(workflow["@type"]) == wanted
    language = entities[workflow["programmingLanguage"]["@id"]]
    assert (language["name"], language["version"]) == ("Snakemake", "9.25.2")
    tools, steps = ids(workflow["hasPart"]), ids(workflow["step"])
    assert len(tools) == len(steps) == 4
    assert {entities[tool]["@type"] for tool in tools} == {"SoftwareApplication"}
    assert [ids(entities[step]["workExample"]) for step in steps] == [[tool] for tool in tools]
    assert {ids(entities[step]["buildInstructions"])[0] for step in steps} == {
        "code/envs/care.yaml"
    }


def test_every_job_is_an_action_that_the_engine_controlled(entities):
    actions = of_type(entities, "CreateAction")
    assert set(ids(entities["./"]["mentions"])) == {action["@id"] for action in actions}
    wanted = {"instrument", "name", "description", "startTime", "endTime", "actionStatus"}
    assert all(wanted <= set(action) for action in actions if action["@id"] != "#run")
    (engine,) = of_type(entities, "OrganizeAction")
    assert entities[engine["instrument"]["@id"]]["softwareVersion"] == "9.25.2"
    assert ids(engine["result"]) == ["#run"]
    controls = [entities[id_] for id_ in ids(engine["object"])]
    assert {control["@type"] for control in controls} == {"ControlAction"}
    for control in controls:
        step, action = entities[control["instrument"]["@id"]], entities[control["object"]["@id"]]
        assert step["workExample"] == action["instrument"]


def test_the_whole_run_leads_from_images_config_and_seeds_to_results(entities):
    run = entities["#run"]
    assert ids(run["instrument"]) == ["code/Snakefile"]
    assert set(ids(run["object"])) == {
        "config.yaml", "#raw/a%20b_low.tif", "code/resources/published.csv", "#seed/mine%20care",
    }  # fmt: skip
    assert ids(run["result"]) == ["tables/scores.csv"]
    assert run["startTime"] == "2026-11-30T12:00:00+00:00"
    assert run["endTime"] == "2026-11-30T12:04:00+00:00"


def test_a_number_is_traced_from_its_table_to_its_image(entities):
    jobs = [one for one in of_type(entities, "CreateAction") if one["@id"] != "#run"]
    made_by = {id_: one for one in jobs for id_ in ids(one["result"])}
    trace = ["tables/scores.csv"]
    while found := made_by.get(trace[-1]):
        trace.append(ids(found["object"])[0])
    weights = "models/mine%20care/weights_best.h5"
    assert trace == [
        "tables/scores.csv", "#restored/mine", weights, "volumes/mine/", "#raw/a%20b_low.tif",
    ]  # fmt: skip


def test_parts_are_there_with_size_and_checksum(entities, folder):
    parts = ids(entities["./"]["hasPart"])
    for part in parts:
        path = folder / "results" / unquote(part)
        assert path.exists()
        if part != "code/Snakefile":
            content = content_of(path)
            assert entities[part]["sha256"] == content.sha256
            assert entities[part]["contentSize"] == str(content.bytes)
    assert "volumes/mine/" in parts
    # What was removed after use has none, and is no part
    assert "sha256" not in entities["#restored/mine"]


def test_checksums_that_were_recorded_are_not_computed_again():
    archive = {"source": "https://example.org/a.tar.gz", "bytes": 9, "sha256": "1"}
    pairs = {"source": "image pairs", "files": {"raw/a.tif": {"bytes": 9, "sha256": "2"}}}
    known = known_checksums({"inputs": {"a": archive, "b": pairs}}, {"a": {"X": "3"}})
    assert known["results/archives/a.tar.gz"] == "1"
    assert (known["raw/a.tif"], known["results/patches/a/X.npy"]) == ("2", "3")


# Verification


def test_untouched_results_are_as_recorded(folder):
    """Marks in folders, which Snakemake makes when a job is done, are no content."""
    (folder / "results/volumes/mine/.snakemake_timestamp").touch()
    count, sentences = disagreements(folder / "results/ro-crate-metadata.json")
    assert (count, sentences) == (9, [])


@pytest.mark.parametrize(
    ("name", "said", "remedy"),
    [
        ("raw/a b_low.tif", "raw/a b_low.tif", "Put that back"),
        ("results/tables/scores.csv", "made by table/scores until 2026-11-30 12:04 UTC", "Delete"),
        ("results/volumes/mine/train/a.tif", "results/volumes/mine differs", "Delete"),
        ("results/models/mine care/weights_best.h5", "made by train/mine care", "makes it again"),
    ],
)
def test_a_file_that_differs_is_named_with_what_to_do(folder, name, said, remedy):
    (folder / name).write_text("edited")
    (sentence,) = disagreements(folder / "results/ro-crate-metadata.json")[1]
    assert " differs: it has " in sentence
    assert said in sentence
    assert remedy in sentence


def test_each_file_that_is_missing_is_named(folder):
    for name in ("raw/a b_low.tif", "results/tables/scores.csv"):
        (folder / name).unlink()
    sentences = disagreements(folder / "results/ro-crate-metadata.json")[1]
    assert len([one for one in sentences if " is missing. " in one]) == len(sentences) == 2


def test_results_without_a_record_cannot_be_verified(tmp_path):
    with pytest.raises(FileNotFoundError, match="run Snakemake to the end"):
        disagreements(tmp_path / "ro-crate-metadata.json")
