"""Archives, fetched or here already, and the record of each: JSON with source, bytes, sha256 and
verified. An archive that is unpacked in a folder has no sha256, but those of its `files`.

The published archives are up to 4.8 GB, and a transfer of that size breaks off. The usual library,
pooch, starts over then (1.9 sends no range request), so this module resumes downloads itself. It
needs only requests, and continues a file only if the server says that it is the same one.
"""

import logging
import os
import re
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

import requests
import urllib3

from denoising.running.checksums import sha256_of
from denoising.running.outputs import write_json
from denoising.running.tar_files import is_tar

log = logging.getLogger(__name__)

COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")  # how gzip, bzip2 and xz files begin


def download(
    url: str, path: Path, allow_http: bool = False, attempts: int = 8, wait: float = 2.0
) -> None:
    """Download `url` to `path`, resuming what an earlier attempt left in `path`.part.

    Anybody on the way can change what comes by http, so that only https is used, unless
    `allow_http` says otherwise; nor is a redirection to http followed.

    A broken transfer is continued by a range request, up to `attempts` times in a row without
    progress, waiting `wait` seconds and twice as long each further time. A server that ignores
    ranges, or whose file has changed (ETag or Last-Modified), starts over.

    Raises
    ------
    ConnectionError
        If the file cannot be had; `path`.part stays for the next run.
    ValueError
        If the address is not https, or leads to another that is not. If the disk has no room for it
        and what it holds; said before any of it is transferred.
    """
    partial = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    furthest = _size(partial)
    session = requests.Session()
    if not allow_http:
        del session.adapters["http://"]
    while True:
        try:
            _transfer(session, url, partial)
            break
        except requests.exceptions.InvalidSchema:
            raise ValueError(
                f"{url}: is no https address, or leads to one that is not, where anybody on the way"
                " could change the archive; give an https address, or set the dataset's"
                " archive.allow_http to true."
            ) from None
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


def _transfer(session: requests.Session, url: str, partial: Path) -> None:
    """One request: append the rest of `url` to `partial`, or raise a RequestException."""
    have = _size(partial)
    headers = {"Accept-Encoding": "identity"}
    if have and _validator(partial).exists():
        headers |= {"Range": f"bytes={have}-", "If-Range": _validator(partial).read_text()}
    with session.get(url, headers=headers, stream=True, timeout=60) as response:
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
        if have and response.headers.get("Content-Type", "").startswith("text/html"):
            raise requests.ConnectionError("the server answered with a web page")
        have = have if resumed else 0
        expected = have + int(response.headers.get("Content-Length", -1))
        _check_room(partial, have, expected)
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


def _check_room(partial: Path, have: int, size: int) -> None:
    """Refuse a transfer of `size` bytes, of which some are here, for which there is no room."""
    # What is here of another version of the file makes room for this one
    free = shutil.disk_usage(partial.parent).free + _size(partial) - have
    if 2 * size - have > free:
        raise ValueError(
            f"{partial.parent.resolve()}: {free / 1e9:.3g} GB are free, but"
            f" {partial.name.removesuffix('.part')} takes {(2 * size - have) / 1e9:.3g} GB:"
            f" {(size - have) / 1e9:.3g} GB to fetch, and at least its {size / 1e9:.3g} GB again"
            " once it is unpacked; free the difference, or run on a larger disk by --directory."
        )


def fetch(url: str, path: Path, sha256: str | None, record: Path, allow_http: bool = False) -> None:
    """Download `url` to `path` and record it; what is not the archive is kept aside, so that the
    next run fetches it anew.

    Raises
    ------
    ConnectionError
        If it cannot be had, see `download`.
    ValueError
        If there is no room for it, or it is not the archive, see `record_archive`.
    """
    download(url, path, allow_http)
    try:
        record_archive(path, url, sha256, record)
    except ValueError as error:
        refused = path.with_name(path.name + ".refused")
        os.replace(path, refused)
        raise ValueError(
            f"{error} What came is kept as {refused}; the next run fetches it anew."
        ) from None


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
        If it is no tar file, or the checksum differs.
    """
    if not is_tar(path):
        raise ValueError(
            f"{source}: is {_look(path)}, expected a tar archive; open the address or the file to"
            " see what it is, and correct the dataset's archive (csbdeep's training patches are"
            " given as npz.path)."
        )
    actual = sha256_of(path)
    if sha256 is not None and actual != sha256:
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
    write_json(record, entry)


def _look(path: Path) -> str:
    """What a file seems to be that is no archive."""
    with path.open("rb") as file:
        start = file.read(4096)
    text = start.decode(errors="replace").strip()
    if re.match(r"<(!doctype\s+html|html)\b", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>\s*(.*?)\s*</title>", text, re.IGNORECASE | re.DOTALL)
        return f"a web page titled {title[1]!r}" if title else "a web page"
    if zipfile.is_zipfile(path):
        return "a zip or npz file"
    if start.startswith(COMPRESSED):
        return "a compressed file without a tar archive in it, or a damaged one"
    shown = "".join(letter for letter in start[:24].decode("latin-1") if letter.isprintable())
    return f"a file that begins with '{shown}'" if start else "empty"


def record_folder(folder: Path, files: Mapping[str, Path], record: Path) -> None:
    """Write the record of an archive that is unpacked already: its files, by names in the archive.

    A folder has no checksum of its own, so `sha256` is null and nothing is verified.
    """
    sizes = {name: path.stat().st_size for name, path in sorted(files.items())}
    entries = {name: {"bytes": sizes[name], "sha256": sha256_of(files[name])} for name in sizes}
    log.warning(
        "%s: not verified, because a folder has no checksum; those of its %d files are recorded.",
        folder, len(entries),
    )  # fmt: skip
    entry = {
        "source": str(folder),
        "bytes": sum(sizes.values()),
        "sha256": None,
        "verified": False,
        "files": entries,
    }
    write_json(record, entry)
