"""The published study's archives, on their way from a server, a file or a folder to patches.

The config is config/paper.yaml. Only addresses, checksums and shapes differ, for small simulated
archives in the published layouts.
"""

import hashlib
import json
import os
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from conftest import ROOT, copy_workflow

from denoising.specimens.simulated_archives import ArchiveContents, simulate_archive

SHAPE, PATCH = (8, 48, 48), (8, 16, 16)
ORGANISMS = ("planaria", "tribolium")
PATCHES = [f"results/patches/{organism}/X.npy" for organism in ORGANISMS]


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The path of each archive."""
    folder = tmp_path_factory.mktemp("archives")
    for species in ORGANISMS:
        contents = ArchiveContents(species, SHAPE, 1, 2, 24, PATCH, seed=1)
        simulate_archive(folder / f"{species}.tar.gz", contents)
    return {species: folder / f"{species}.tar.gz" for species in ORGANISMS}


@pytest.fixture
def server(archives, monkeypatch):
    """It serves what `bodies` holds; the next answers follow `faults`, and wait for `release`."""
    bodies = {path.name: path.read_bytes() for path in archives.values()}
    state = SimpleNamespace(bodies=bodies, faults=[], release=threading.Event(), asked=[])
    state.release.set()

    class Files(BaseHTTPRequestHandler):
        def do_GET(self):
            body = state.bodies[Path(self.path).name]
            wanted = self.headers.get("Range")
            state.asked.append((self.path, wanted))
            state.release.wait(60)
            fault = state.faults.pop(0) if state.faults else None
            if fault == "redirect":
                self.send_response(303)
                self.send_header("Location", f"/elsewhere{self.path}")
                return self.end_headers()
            if isinstance(fault, int):
                return self.send_error(fault)
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body) - start))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.end_headers()
            return self.wfile.write(body[start : len(body) // 2 if fault == "cut" else None])

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        state.url = f"http://127.0.0.1:{running.server_port}"
        yield state
        state.release.set()
        running.shutdown()


@pytest.fixture
def flow(tmp_path):
    """The workflow, and how it is called with a source of each archive."""
    root = tmp_path / "flow"
    root.mkdir()
    flow = copy_workflow(root)

    def arguments(sources, *targets):
        config = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
        for name, source in sources.items():
            config["datasets"][name]["archive"] = source
            config["datasets"][name]["patches"]["shape"] = list(PATCH)
        path = flow.write_config(config)
        return ["--cores", "2", *(targets or PATCHES), "--configfile", path]

    flow.arguments = arguments
    return flow


def sources(server):
    return {name: {"url": f"{server.url}/{name}.tar.gz", "allow_http": True} for name in ORGANISMS}


def made_from(folder, archive):
    """Whether the patches of the run in a folder are those of the archive."""
    organism = archive.name.removesuffix(".tar.gz")
    with tarfile.open(archive) as tar:
        (npz,) = [member for member in tar if member.name.endswith("data_label.npz")]
        published = np.load(tar.extractfile(npz))["X"]
    made = np.load(folder / f"results/patches/{organism}/X.npy")
    return np.array_equal(made, published.reshape(made.shape))


def test_archives_come_through_a_bad_network_and_are_reported(server, flow, archives):
    """By redirects, a busy server and a cut connection."""
    server.faults = ["redirect", 503, "redirect", "cut"]
    said = flow.run(*flow.arguments(sources(server))).said
    assert all(made_from(flow.root, archive) for archive in archives.values())
    assert any(wanted for _, wanted in server.asked)
    for name, archive in archives.items():
        record = json.loads((flow.root / f"results/archives/{name}.json").read_text())
        assert record["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
        arrived = json.loads((flow.root / f"results/checks/{name}.json").read_text())
        assert arrived["found"]["patches"]["shape"] == [24, 1, *PATCH]
        assert len(arrived["differences"]) == 3
        for difference in arrived["differences"]:
            assert f"{name}.tar.gz: {difference}" in said
    assert "has 24 training patches, published are 17900." in said


def test_what_is_not_the_archive_is_kept_aside_and_fetched_anew(server, flow, archives):
    """First an archive of another checksum, then a web page, then the archive."""
    given = sources(server)
    sha256 = hashlib.sha256(archives["planaria"].read_bytes()).hexdigest()
    given["planaria"]["sha256"] = sha256
    right = server.bodies["planaria.tar.gz"]
    aside = flow.root / "results/archives/planaria.tar.gz.refused"
    other = server.bodies["tribolium.tar.gz"]
    for wrong, words in (
        (other, f"sha256 is {hashlib.sha256(other).hexdigest()}, expected {sha256}"),
        (b"<html><title>Sign in</title>", "is a web page titled 'Sign in', expected a tar archive"),
    ):
        server.bodies["planaria.tar.gz"] = wrong
        failed = flow.run(*flow.arguments(given, PATCHES[0]), check=False)
        assert failed.returncode != 0
        assert words in failed.said
        assert aside.read_bytes() == wrong
        assert not aside.with_suffix("").exists()
    server.bodies["planaria.tar.gz"] = right
    flow.run(*flow.arguments(given, PATCHES[0]))
    assert made_from(flow.root, archives["planaria"])


def test_two_runs_at_once_wait_for_each_other_or_do_not_meet(server, flow, archives, tmp_path):
    """In one folder Snakemake refuses the second; in two folders both finish."""
    server.release.clear()
    arguments = flow.arguments(sources(server), PATCHES[0])
    first = flow.start(*arguments)
    while not server.asked:
        assert first.poll() is None
    second = flow.run(*arguments, check=False)
    assert second.returncode != 0
    assert "cannot be locked" in second.said
    elsewhere = flow.start(*arguments, "--directory", tmp_path / "elsewhere")
    while len(server.asked) < 2:
        assert elsewhere.poll() is None
    server.release.set()
    for run in (first, elsewhere):
        said = run.communicate()[0]
        assert run.returncode == 0, said
    for folder in (flow.root, tmp_path / "elsewhere"):
        assert made_from(folder, archives["planaria"])


def states(folder):
    """Bytes of all files, and times of all files and folders."""
    paths = [folder, *folder.rglob("*")]
    return {p: (p.is_file() and p.read_bytes(), p.lstat().st_mtime_ns) for p in paths}


@pytest.mark.parametrize("is_unpacked", [False, True])
def test_an_archive_that_is_here_is_used_in_place(is_unpacked, flow, archives, tmp_path):
    """Touched, it is the same one; of another size it is another."""
    place = tmp_path / "my archives"
    place.mkdir()
    given = {}
    for name, archive in archives.items():
        if is_unpacked:
            given[name] = {"path": f"{place}/{name}/"}
            with tarfile.open(archive) as tar:
                tar.extractall(place / name, filter="data")
        else:
            given[name] = {"path": str(place / archive.name)}
            shutil.copy(archive, place)
    before = states(place)
    flow.run(*flow.arguments(given))
    assert states(place) == before
    assert all(made_from(flow.root, archive) for archive in archives.values())
    assert not list(flow.root.glob("results/archives/*.tar.gz"))
    images = list((flow.root / "results/volumes/planaria").rglob("*.tif"))
    assert {image.is_symlink() for image in images} == {is_unpacked}
    for path in before:
        os.utime(path)
    assert not flow.jobs(*flow.arguments(given))
    changed = next(path for path in before if path.name in ("data_label.npz", "planaria.tar.gz"))
    changed.write_bytes(changed.read_bytes() + b"more")
    assert flow.jobs(*flow.arguments(given))["use_archive"] == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".", "archive.sha256 is given, but {path} is a folder, which has no checksum; remove"
         " sha256, or give the tar file as path."),
        ("no.tar", "archive.path is {path}, where there is no file or folder; correct it."),
    ],
)  # fmt: skip
def test_a_path_that_cannot_be_used_is_said_at_once(name, said, flow, tmp_path):
    path = str(tmp_path / name)
    failed = flow.run(
        "-n", *flow.arguments({"planaria": {"path": path, "sha256": "0" * 64}}), check=False
    )
    assert failed.returncode != 0
    assert f"datasets.planaria.{said.format(path=path)}" in failed.said
