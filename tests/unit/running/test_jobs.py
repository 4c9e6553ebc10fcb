"""Jobs, from the records that Snakemake keeps of their outputs."""

import base64
import json
from datetime import UTC, datetime

import pytest

from denoising.running.jobs import jobs_behind, recorded_jobs


def record(folder, output, inputs, rule="train", log="logs/train/a.log", start=0.0, split=None):
    """As Snakemake writes it; names too long for the file system are split."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    path = folder / f"@{name[:split]}" / name[split:] if split else folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    entry = {"rule": rule, "input": inputs, "log": [log], "params": ["7"]}
    path.write_text(json.dumps(entry | {"starttime": start, "endtime": start + 60}))


@pytest.fixture
def jobs(tmp_path):
    record(tmp_path, "results/a.h5", ["results/X.npy"], start=100.0)
    record(tmp_path, "results/a.json", ["results/X.npy"], start=101.0, split=9)
    record(tmp_path, "results/X.npy", ["raw/1.tif"], "patches", "logs/patches/d.log", 10.0)
    record(tmp_path, "results/other.csv", [], "table", "logs/tables/other.log")
    return recorded_jobs(tmp_path)


def test_outputs_of_one_job_have_one_record_of_it(jobs):
    job = jobs["results/a.h5"]
    assert jobs["results/a.json"] is job
    assert (job.rule, job.name, job.settings) == ("train", "train/a", ("7",))
    assert job.outputs == ("results/a.h5", "results/a.json")
    assert job.start == datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC)
    assert job.end == datetime(1970, 1, 1, 0, 2, 41, tzinfo=UTC)


def test_the_jobs_behind_a_result_are_those_that_made_it_and_its_inputs(jobs):
    assert [job.name for job in jobs_behind(["results/a.json"], jobs)] == ["patches/d", "train/a"]
    assert jobs_behind(["raw/1.tif"], jobs) == []


def test_results_in_a_bucket_are_those_of_the_folder(tmp_path):
    record(tmp_path, "s3://my-bucket/study/results/a.csv", ["s3://my-bucket/study/results/X.npy"])
    assert recorded_jobs(tmp_path)["results/a.csv"].inputs == ("results/X.npy",)


def test_without_records_there_are_no_jobs(tmp_path):
    assert recorded_jobs(tmp_path / "missing") == {}
