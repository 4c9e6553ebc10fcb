"""Checksums of files and of OME-Zarr groups."""

import hashlib

from denoising.running.checksums import files_of_image, sha256_of_image


def test_a_file_has_its_own_checksum(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"some bytes")
    assert sha256_of_image(path) == hashlib.sha256(b"some bytes").hexdigest()
    assert files_of_image(path) == [path]


def test_the_checksum_of_a_group_is_of_its_sorted_names_and_their_contents(tmp_path):
    """As `find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum` has it."""
    group = tmp_path / "a.ome.zarr"
    files = {"zarr.json": b"{}", "0/c/1": b"two", "0/c/0": b"one", "0/zarr.json": b""}
    for name, data in files.items():
        (group / name).parent.mkdir(parents=True, exist_ok=True)
        (group / name).write_bytes(data)
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)]
    first = sha256_of_image(group)
    assert first == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert {str(file.relative_to(group)) for file in files_of_image(group)} == set(files)
    (group / "0/c/0").rename(group / "0/c/2")
    assert sha256_of_image(group) != first
