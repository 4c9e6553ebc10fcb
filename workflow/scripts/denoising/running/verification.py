"""Whether files still are what the RO-Crate of the results says of them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from denoising.running.checksums import files_of_image, sha256_of, sha256_of_list

INPUT = (
    "It is an input: the results come from what the record says. Put that back, or run the study "
    "again with what is there now."
)
PRODUCT = (
    "It was edited, removed or made anew after the record was written. Delete {path} and run "
    "Snakemake, which makes it again; or delete the record, if the change is meant."
)


@dataclass(frozen=True)
class Content:
    """What a file or a folder holds: bytes, and its checksum or that of the list of its files."""

    bytes: int
    sha256: str


def content_of(path: Path, sha256: str | None = None) -> Content | None:
    """What is there, with the checksum if that is known already; None if nothing is there."""
    if not path.exists():
        return None
    # Snakemake marks folders with an empty file, which is no content
    files = [file for file in files_of_image(path) if file.name != ".snakemake_timestamp"]
    size = sum(file.stat().st_size for file in files)
    if sha256 is None and path.is_file():
        sha256 = sha256_of(path)
    elif sha256 is None:
        sha256 = sha256_of_list({str(file.relative_to(path)): sha256_of(file) for file in files})
    return Content(size, sha256)


def disagreements(crate: Path) -> tuple[int, list[str]]:
    """How many files and folders the record has checksums of, and a sentence on each that is
    missing or holds something else.

    Parameters
    ----------
    crate : Path
        `ro-crate-metadata.json`. Files that lie outside of its folder are sought from the working
        directory.

    Raises
    ------
    FileNotFoundError
        Where there is no such record.
    """
    if not crate.is_file():
        raise FileNotFoundError(
            f"{crate} is missing, so that there is no record to verify these results against; run "
            "Snakemake to the end of the study, which writes the record last."
        )
    entities = json.loads(crate.read_text(encoding="utf-8"))["@graph"]
    made_by = {
        result["@id"]: action
        for action in entities
        if action["@id"].startswith("#job/")
        for result in _listed(action["result"])
    }
    recorded = [entity for entity in entities if "sha256" in entity]
    sentences = [
        _disagreement(entity, _place(entity, crate.parent), made_by.get(entity["@id"]))
        for entity in recorded
    ]
    return len(recorded), [sentence for sentence in sentences if sentence]


def _listed(value: Any) -> list[Any]:
    """A list; a list of one stands in the record without brackets."""
    return value if isinstance(value, list) else [value]


def _place(entity: dict[str, Any], root: Path) -> Path:
    if entity["@id"].startswith("#"):
        return Path(entity["name"])
    return root / unquote(entity["@id"])


def _disagreement(entity: dict[str, Any], path: Path, job: dict[str, Any] | None) -> str:
    recorded = Content(int(entity["contentSize"]), entity["sha256"])
    found = content_of(path)
    if found == recorded:
        return ""
    state = "is missing" if found is None else f"differs: it has {_said(found)}"
    end = job["endTime"][:16].replace("T", " ") if job else ""
    origin = f", made by {job['name']} until {end} UTC" if job else ""
    remedy = INPUT if entity["@id"].startswith("#") else PRODUCT.format(path=path)
    return f"{path} {state}. The record says {_said(recorded)}{origin}. {remedy}"


def _said(content: Content) -> str:
    return f"{content.bytes} bytes, sha256 {content.sha256[:12]}"
