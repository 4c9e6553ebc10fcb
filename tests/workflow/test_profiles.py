"""How to run, by profile: what a dry run with it shows."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

# All that Snakemake asks a conda before it builds the graph
CONDA = """#!/bin/sh
case "$*" in
  "info --json") echo '{"conda_prefix": "/nowhere", "platform": "linux-64"}' ;;
  --version) echo "conda 24.7.1" ;;
  *channel_priority*) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""
EMPTY = (
    b'<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>'
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


def test_kubernetes_keeps_results_in_a_bucket_and_gives_networks_a_gpu(
    workflow, miniature_config, bucket, tmp_path, monkeypatch
):
    """Without a cluster: it shows what would run, and where files would be."""
    (tmp_path / "conda").write_text(CONDA)
    (tmp_path / "conda").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    address, asked = bucket
    study = ["--configfile", workflow.write_config(miniature_config)]
    targets = ["results/tables/runtimes.csv", "results/scores/planaria-100/planaria.csv"]
    kubernetes = ["--workflow-profile", "profiles/kubernetes", "--storage-s3-endpoint-url", address]

    said = workflow.run("-n", *kubernetes, *study, "--", *targets).said

    counts = {rule: said.count(f"\nrule {rule}:") for rule in ("simulate", "train", "restore", "evaluate", "runtimes")}
    local = workflow.jobs(*study, "--", *targets)
    assert counts == {rule: local[rule] for rule in counts}
    assert said.count("gpu_manufacturer=nvidia") == local["train"] + local["restore"]
    assert "s3://my-bucket/denoising/results/tables/runtimes.csv (send to storage)" in said
    # Files of the workflow's own are not looked for there
    folders = {
        path.split("?")[0].removeprefix("/my-bucket").removeprefix("/denoising/").split("/")[0] for path in asked
    }
    assert folders == {"", "results", "benchmarks"}
