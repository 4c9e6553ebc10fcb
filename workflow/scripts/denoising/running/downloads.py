"""Downloads of archives, and the record of each: JSON with source, bytes, sha256 and verified.

The published archives are up to 4.8 GB, and a transfer of that size breaks off. The usual library,
pooch, starts over then (1.9 sends no range request), so this module resumes downloads itself. It
needs only requests, and continues a file only if the server says that it is the same one.
"""

import json
import logging
import os
import time
from pathlib import Path

import requests
import urllib3

from denoising.running.checksums import sha256_of

log = logging.getLogger(__name__)


def download(url: str, path: Path, attempts: int = 8, wait: float = 2.0) -> None:
    """Download `url` to `path`, resuming what an earlier attempt left in `path`.part.

    A broken transfer is continued by a range request, up to `attempts` times in a row without
    progress, waiting `wait` seconds and twice as long each further time. A server that ignores
    ranges, or whose file has changed (ETag or Last-Modified), starts over.

    Raises
    ------
    ConnectionError
        If the file cannot be had; `path`.part stays for the next run.
    """
    partial = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    furthest = _size(partial)
    while True:
        try:
            _transfer(url, partial)
            break
        except requests.RequestException as error:
            status = 0 if error.response is None else error.response.status_code
            refused = 400 <= status < 500 and status not in (408, 429)
            failures = 1 if _size(partial) > furthest else failures + 1
            furthest = max(furthest, _size(partial))
            if refused or failures >= attempts:
                raise ConnectionError(
                    f"{url}: {error}; got {_size(partial)} bytes, kept in {partial}. Check the"
                    " address and the network, then run again: the download continues where it"
                    " stopped."
                ) from None
            log.warning("%s: %s; continuing from byte %d", url, error, _size(partial))
            time.sleep(wait * 2 ** (failures - 1))
    _validator(partial).unlink(missing_ok=True)
    os.replace(partial, path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _validator(partial: Path) -> Path:
    return partial.with_name(partial.name + ".validator")


def _transfer(url: str, partial: Path) -> None:
    """One request: append the rest of `url` to `partial`, or raise a RequestException."""
    have = _size(partial)
    headers = {"Accept-Encoding": "identity"}
    if have and _validator(partial).exists():
        headers |= {"Range": f"bytes={have}-", "If-Range": _validator(partial).read_text()}
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        content_range = response.headers.get("Content-Range", "")
        if response.status_code == 416 and content_range.endswith(f"/{have}"):
            return
        resumed = response.status_code == 206
        elsewhere = resumed and not content_range.startswith(f"bytes {have}-")
        if response.status_code == 416 or elsewhere:
            partial.unlink()
            raise requests.ConnectionError(
                f"the server answered with range {content_range!r} to byte {have}: starting over"
            )
        response.raise_for_status()
        expected = (have if resumed else 0) + int(response.headers.get("Content-Length", -1))
        # The raw stream: as it is on the server, whatever encoding the header claims, and each
        # piece as it comes
        with partial.open("ab" if resumed else "wb") as file:
            _write_validator(partial, response.headers)
            try:
                while block := response.raw.read1(1 << 20):
                    file.write(block)
            except urllib3.exceptions.HTTPError as error:
                raise requests.ConnectionError(str(error)) from None
        if "Content-Length" in response.headers and _size(partial) != expected:
            raise requests.ConnectionError(
                f"transfer ended at {_size(partial)} of {expected} bytes"
            )


def _write_validator(partial: Path, headers) -> None:
    """Keep what names this version of the file, so that only the same one is resumed."""
    names = [headers.get(header, "W/") for header in ("ETag", "Last-Modified")]
    strong = [name for name in names if not name.startswith("W/")]
    if strong:
        _validator(partial).write_text(strong[0])
    else:
        _validator(partial).unlink(missing_ok=True)


def link_local(source: Path, path: Path) -> None:
    """Make `path` a link to the local file `source`: large archives are not copied."""
    if not source.is_file():
        raise ValueError(f"{source}: there is no such file; correct the dataset's archive.path.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(source.resolve())


def record_archive(path: Path, source: str, sha256: str | None, record: Path) -> None:
    """Compare `path` with the checksum the config gives, and write the record of what it is.

    Parameters
    ----------
    path : Path
    source : str
        Where it came from, in words or as a URL.
    sha256 : str or None
        Expected; None is allowed, warned about, and recorded as not verified.
    record : Path
        Written: JSON.

    Raises
    ------
    ValueError
        If the checksum differs; the file is removed when it is not a link, so that a retry fetches
        it anew.
    """
    actual = sha256_of(path)
    if sha256 is not None and actual != sha256:
        if not path.is_symlink():
            path.unlink()
        raise ValueError(
            f"{source}: sha256 is {actual}, expected {sha256}; the file is not what the config"
            " describes. Fetch it again, or correct the dataset's archive.sha256."
        )
    if sha256 is None:
        log.warning(
            "%s: not verified, the config gives no sha256; found %s. Write it into the config as "
            "archive.sha256 to verify the next download.", source, actual,
        )  # fmt: skip
    entry = {
        "source": source,
        "bytes": path.stat().st_size,
        "sha256": actual,
        "verified": sha256 is not None,
    }
    record.write_text(json.dumps(entry, indent=2) + "\n")
