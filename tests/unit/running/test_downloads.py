"""Downloads over a bad network, and the record of what was fetched."""

import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from denoising.running import downloads
from denoising.running.downloads import download, fetch, record_archive, record_folder

MIB = 1 << 20


@pytest.fixture
def server(monkeypatch):
    """A file server on this machine: what it serves, how it misbehaves, and which ranges it was
    asked for.
    """
    state = SimpleNamespace(
        body=np.random.default_rng(0).bytes(3 * MIB),
        version=("ETag", '"one"'),
        takes_ranges=True,
        errors=[],  # statuses of the next answers
        breaks=[],  # bytes after which the next answers break off
        promises=0,  # bytes more than it has, in the next answer
        encoding=None,
        kind="application/gzip",
        slip=0,  # bytes left out where an answer continues a file
        asked=[],
    )

    class Files(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", state.url)
                return self.end_headers()
            if state.errors or len(state.asked) > 20:  # an endless download is a failed one
                return self.send_error(state.errors.pop(0) if state.errors else 410)
            if self.headers.get("If-Range") != state.version[1] or not state.takes_ranges:
                wanted = None
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            if wanted and start >= len(state.body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.body)}")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            start += state.slip if wanted else 0
            rest = state.body[start:]
            self.send_response(206 if wanted else 200)
            self.send_header(*state.version)
            self.send_header("Content-Type", state.kind)
            if wanted:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(state.body) - 1}/{len(state.body)}"
                )
            if state.encoding:
                self.send_header("Content-Encoding", state.encoding)
            self.send_header("Content-Length", str(len(rest) + state.promises))
            self.end_headers()
            state.promises = 0
            return self.wfile.write(rest[: state.breaks.pop(0)] if state.breaks else rest)

        def log_message(self, *_):
            pass

    monkeypatch.setenv("NO_PROXY", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as running:
        threading.Thread(
            target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        state.url = f"http://127.0.0.1:{running.server_port}/archive.tar.gz"
        yield state
        running.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "archives" / "worms.tar.gz"


def part_of(target):
    return target.with_name(target.name + ".part")


def fail_once(server, target):
    """A first run that the network ends at 2.5 MiB."""
    server.breaks = [5 * MIB // 2]
    with pytest.raises(ConnectionError):
        download(server.url, target, attempts=1, wait=0, allow_http=True)


def test_download_leaves_the_file_and_nothing_else(server, target):
    download(server.url, target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body
    assert list(target.parent.iterdir()) == [target]
    assert server.asked == [None]


@pytest.mark.parametrize(
    "version", [("ETag", '"one"'), ("Last-Modified", "Thu, 01 Nov 2018 08:00:00 GMT")]
)
def test_broken_transfer_continues_where_it_stopped(version, server, target):
    server.version, server.breaks = version, [2 * MIB, MIB // 2]
    download(server.url, target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body
    assert server.asked[:2] == [None, f"bytes={2 * MIB}-"]


def test_broken_transfer_keeps_every_byte(server, target):
    server.breaks = [MIB // 2]
    download(server.url, target, wait=0, allow_http=True)
    assert server.asked == [None, f"bytes={MIB // 2}-"]


def test_next_run_continues_what_an_earlier_one_left(server, target):
    fail_once(server, target)
    assert not target.exists()
    have = part_of(target).stat().st_size
    assert have >= 2 * MIB
    assert server.body.startswith(part_of(target).read_bytes())
    download(server.url, target, wait=0, allow_http=True)
    assert server.asked == [None, f"bytes={have}-"]
    assert target.read_bytes() == server.body


def test_http_is_used_only_where_the_config_says_so(server, target):
    with pytest.raises(ValueError, match=r"^http://127.*: is no https address.*allow_http to true"):
        download(server.url, target)
    assert server.asked == []


@pytest.mark.parametrize("address", ["http://127.0.0.1/a", "file:///etc/hostname", "ftp://a.org/a"])
def test_https_leads_nowhere_else(address, target, monkeypatch):
    """The first answer comes from a stand-in for an https server, whose redirect is followed."""

    class Moved(requests.adapters.HTTPAdapter):
        def send(self, request, **_):
            answer = requests.Response()
            answer.status_code, answer.url, answer.request = 302, request.url, request
            answer.headers["Location"] = address
            answer.raw = io.BytesIO()
            return answer

    monkeypatch.setattr(requests.sessions, "HTTPAdapter", Moved)
    with pytest.raises(ValueError, match=r"^https://example\.org/a: .*leads to one that is not"):
        download("https://example.org/a", target, attempts=1)
    assert not target.exists()


def test_a_redirect_is_followed_and_the_transfer_continued_there(server, target):
    server.breaks = [2 * MIB]
    download(server.url.replace("archive.tar.gz", "moved"), target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body
    assert server.asked == [None, None, f"bytes={2 * MIB}-", f"bytes={2 * MIB}-"]


def test_server_without_ranges_starts_over(server, target):
    server.takes_ranges, server.breaks = False, [2 * MIB]
    download(server.url, target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body


@pytest.mark.parametrize("version", [("ETag", '"two"'), ("ETag", 'W/"weak"'), ("X-Nothing", "")])
def test_changed_file_starts_over(version, server, target):
    fail_once(server, target)
    server.version, server.body = version, server.body[::-1]
    download(server.url, target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body


def test_a_web_page_does_not_replace_what_is_here(server, target):
    """As servers give where a user must sign in again, or while they are repaired."""
    fail_once(server, target)
    kept = part_of(target).read_bytes()
    server.version, server.kind = ("ETag", '"page"'), "text/html; charset=utf-8"
    with pytest.raises(ConnectionError, match=r"answered with a web page; got \d+ bytes, kept in"):
        download(server.url, target, attempts=2, wait=0, allow_http=True)
    assert part_of(target).read_bytes() == kept


@pytest.mark.parametrize("version", [("ETag", 'W/"weak"'), ("X-Nothing", "")])
def test_file_whose_version_is_not_known_is_never_continued(version, server, target):
    server.version = version
    fail_once(server, target)
    download(server.url, target, wait=0, allow_http=True)
    assert server.asked == [None, None]
    assert target.read_bytes() == server.body


def test_answer_that_starts_elsewhere_is_not_appended(server, target):
    server.breaks, server.slip = [2 * MIB], 100
    with pytest.raises(ConnectionError):
        download(server.url, target, attempts=2, wait=0, allow_http=True)
    assert not target.exists()


def test_part_that_is_whole_already_is_taken(server, target):
    """The server breaks off after the last byte of the file, having promised more."""
    server.promises = 10
    download(server.url, target, wait=0, allow_http=True)
    assert server.asked == [None, f"bytes={3 * MIB}-"]
    assert target.read_bytes() == server.body


def test_missing_file_fails_at_once_and_keeps_the_part(server, target):
    fail_once(server, target)
    kept = part_of(target).read_bytes()
    server.errors = [404] * 9
    with pytest.raises(ConnectionError) as failed:
        download(server.url, target, wait=0, allow_http=True)
    assert len(server.asked) == 2
    assert all(
        words in str(failed.value)
        for words in (server.url, "404", str(len(kept)), str(part_of(target)))
    )
    assert part_of(target).read_bytes() == kept


def test_server_errors_are_tried_again(server, target):
    server.errors = [503, 500]
    download(server.url, target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body


@pytest.mark.parametrize("status", [408, 429])
def test_busy_server_is_tried_again(status, server, target):
    server.errors = [status]
    download(server.url, target, wait=0, allow_http=True)


def test_gives_up_after_attempts_without_progress(server, target):
    server.errors = [503] * 9
    with pytest.raises(ConnectionError, match="503"):
        download(server.url, target, attempts=3, wait=0, allow_http=True)
    assert len(server.asked) == 3


def test_attempts_with_progress_do_not_count(server, target):
    server.breaks = [MIB, MIB]
    download(server.url, target, attempts=2, wait=0, allow_http=True)
    assert target.read_bytes() == server.body


def test_file_sent_as_gzip_encoded_is_kept_as_it_is(server, target):
    """Web servers set up so announce any .gz file with this header, asked for or not."""
    server.encoding, server.body = "x-gzip", gzip.compress(b"an archive")
    download(server.url, target, attempts=2, wait=0, allow_http=True)
    assert target.read_bytes() == server.body


@pytest.fixture
def disk(monkeypatch):
    """Say how much of the disk is free."""

    def set_free(free):
        monkeypatch.setattr(downloads.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))

    return set_free


def test_no_room_is_said_before_the_transfer(server, target, disk):
    disk(5 * MIB)
    with pytest.raises(ValueError) as refused:
        download(server.url, target, wait=0, allow_http=True)
    assert str(refused.value) == (
        f"{target.parent}: 0.00524 GB are free, but worms.tar.gz takes 0.00629 GB: 0.00315 GB to"
        " fetch, and at least its 0.00315 GB again once it is unpacked; free the difference, or run"
        " on a larger disk by --directory."
    )
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("version", [("ETag", '"one"'), ("ETag", '"two"')])
def test_what_is_here_already_needs_no_room(version, server, target, disk):
    """If it is continued, and if it is replaced."""
    fail_once(server, target)
    server.version = version
    disk(6 * MIB - part_of(target).stat().st_size)
    download(server.url, target, wait=0, allow_http=True)
    assert target.read_bytes() == server.body


def tar(text=b"an image"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo("Top/test_data/a.tif")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return file.getvalue()


def npz():
    file = io.BytesIO()
    np.savez(file, X=np.zeros(3))
    return file.getvalue()


ARCHIVE = tar()
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
OTHER = tar(b"another image")
PAGE = b"\n<!DOCTYPE html>\n<html><head><title> Sign in </title></head></html>"


@pytest.mark.parametrize("sha256", [SHA256, None], ids=["checksum", "no checksum"])
@pytest.mark.parametrize(
    ("came", "said"),
    [
        (PAGE, "is a web page titled 'Sign in', expected a tar archive; open the address"),
        (b"<html>" + b"?" * 9999, "is a web page, expected a tar archive;"),
        (b'{"status":"ERROR"}', 'is a file that begins with \'{"status":"ERROR"}\', expected'),
        (b"", "is empty, expected a tar archive;"),
        (
            npz(),
            "is a zip or npz file, expected a tar archive; open the address or the file to see",
        ),
    ],
    ids=["titled page", "page", "JSON", "empty", "npz"],
)
def test_what_is_no_archive_is_kept_aside_and_fetched_anew(came, said, sha256, server, target):
    server.body = came
    with pytest.raises(ValueError) as refused:
        fetch(server.url, target, sha256, target.with_suffix(".json"), allow_http=True)
    aside = target.with_name("worms.tar.gz.refused")
    assert str(refused.value).startswith(f"{server.url}: {said}")
    assert str(refused.value).endswith(
        f" What came is kept as {aside}; the next run fetches it anew."
    )
    assert [aside] == list(target.parent.iterdir())
    assert aside.read_bytes() == came
    server.body = ARCHIVE
    fetch(server.url, target, sha256, target.with_suffix(".json"), allow_http=True)
    assert target.read_bytes() == ARCHIVE


def test_a_wrong_checksum_is_said_with_the_right_one_and_the_file_kept_aside(server, target):
    server.body = OTHER
    with pytest.raises(ValueError) as refused:
        fetch(server.url, target, SHA256, target.with_suffix(".json"), allow_http=True)
    aside = target.with_name("worms.tar.gz.refused")
    assert str(refused.value) == (
        f"{server.url}: sha256 is {hashlib.sha256(OTHER).hexdigest()}, expected {SHA256}; the file"
        " is not what the config describes. Fetch it again, or correct the dataset's"
        f" archive.sha256. What came is kept as {aside}; the next run fetches it anew."
    )
    assert aside.read_bytes() == OTHER
    assert not target.exists()


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "worms.tar.gz"
    path.write_bytes(ARCHIVE)
    return path


def test_right_checksum_is_recorded_as_verified(archive, tmp_path, caplog):
    record_archive(archive, "https://example.org/a", SHA256, tmp_path / "worms.json")
    assert json.loads((tmp_path / "worms.json").read_text()) == {
        "source": "https://example.org/a",
        "bytes": len(ARCHIVE),
        "sha256": SHA256,
        "verified": True,
    }
    assert not caplog.records


def test_missing_checksum_is_warned_about_and_recorded(archive, tmp_path, caplog):
    record_archive(archive, "https://example.org/a", None, tmp_path / "worms.json")
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert all(
        words in warning.getMessage() for words in ("not verified", "https://example.org/a", SHA256)
    )
    recorded = json.loads((tmp_path / "worms.json").read_text())
    assert (recorded["sha256"], recorded["verified"]) == (SHA256, False)


def test_a_local_archive_outlives_a_wrong_checksum(archive, tmp_path):
    with pytest.raises(ValueError, match=f"{SHA256}, expected 0000"):
        record_archive(archive, "worms.tar.gz", "0" * 64, tmp_path / "worms.json")
    assert archive.read_bytes() == ARCHIVE
    assert not (tmp_path / "worms.json").exists()


@pytest.mark.parametrize("length", [30, 60])
def test_an_archive_cut_short_at_once_is_left_to_unpacking(length, archive, tmp_path):
    archive.write_bytes(ARCHIVE[:length])
    record_archive(archive, "worms.tar.gz", None, tmp_path / "worms.json")


def test_a_folder_is_recorded_by_its_files(archive, tmp_path, caplog):
    record_folder(tmp_path, {"test_data/a.tif": archive}, tmp_path / "worms.json")
    (warning,) = caplog.records
    assert "a folder has no checksum; those of its 1 files are recorded" in warning.getMessage()
    assert json.loads((tmp_path / "worms.json").read_text()) == {
        "source": str(tmp_path),
        "bytes": len(ARCHIVE),
        "sha256": None,
        "verified": False,
        "files": {"test_data/a.tif": {"bytes": len(ARCHIVE), "sha256": SHA256}},
    }
