"""Kubernetes, with results in a bucket: what a dry run shows, without a cluster."""

import re
import threading
from collections import Counter
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import ROOT

EMPTY = (
    b"<?xml"
    b' version="1.0"?><ListBucketResult><KeyCount>0</KeyCount>'
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)


@pytest.fixture
def bucket(monkeypatch):
    """The address of an S3 service whose one bucket is empty, and what it was asked for."""
    asked = []

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            asked.append(self.path)
            listing = self.command == "GET" and "prefix=" in self.path
            self.send_response(200 if listing or self.path == "/my-bucket" else 404)
            self.send_header("Content-Length", str(len(EMPTY) * listing))
            self.end_headers()
            self.wfile.write(EMPTY * listing)

        do_GET = do_HEAD = answer

        def log_message(self, *_):
            pass

    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "nobody")
    monkeypatch.setenv("SNAKEMAKE_STORAGE_S3_SECRET_KEY", "nothing")
    yield f"http://127.0.0.1:{service.server_port}", asked
    service.shutdown()


def test_results_are_in_the_bucket_and_networks_have_a_gpu(study, bucket, monkeypatch, tmp_path):
    address, asked = bucket
    elsewhere = replace(study, root=tmp_path)
    targets = ["results/tables/runtimes.csv", "results/scores/planaria-100/tribolium.csv"]
    kubernetes = [
        "--workflow-profile",
        ROOT / "profiles" / "kubernetes",
        "--storage-s3-endpoint-url",
        address,
    ]

    said = elsewhere.run("-n", *kubernetes, "--configfile", study.config, "--", *targets)

    local = elsewhere.run("-n", "--configfile", study.config, "--", *targets)
    jobs, expected = (Counter(re.findall(r"^rule (\w+):", each, re.M)) for each in (said, local))
    assert jobs == expected
    on_gpu = [line for line in said.splitlines() if " resources: " in line and "gpu=1" in line]
    assert len(on_gpu) == expected["train"] + expected["restore"] > 1
    # What is wanted with a limit for GPUs, and the limit on disk that comes with it
    assert all("gpu_manufacturer=nvidia, scale=0, disk_mb=" in line for line in on_gpu)
    assert sum("disk_mb=90000" in line for line in on_gpu) == expected["restore"]
    assert "s3://my-bucket/denoising/results/tables/runtimes.csv (send to storage)" in said
    # Files of the workflow's own are not looked for there
    paths = (
        path.split("?")[0].removeprefix("/my-bucket").removeprefix("/denoising/") for path in asked
    )
    assert {path.split("/")[0] for path in paths} == {"", "results", "benchmarks"}
