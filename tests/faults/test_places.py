"""Where a study runs: odd paths, another language and time zone, no network, full and locked disks.

Bad networks, and archives that are fetched through them: tests/workflow/test_published_archives.py.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from conftest import Study, results_of

ODD = "a folder {of} {{mine}}, für Würmer 线虫 & 'co' [1]"


def can(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(
    not (os.geteuid() == 0 and can("unshare", "--mount", "true")),
    reason="only root can make file systems",
)


def test_scores_do_not_depend_on_place_language_time_zone_and_network(undisturbed, tmp_path):
    """All at once; a name of each kind of odd character, twice as long as names usually may be."""
    root = tmp_path / ODD / ("long" * 50) / ("longer" * 40)
    root.mkdir(parents=True)
    command = [
        *(sys.executable, "-m", "snakemake", "-s", undisturbed.root / "Snakefile"),
        *undisturbed.arguments(),
        *("--directory", root),
    ]
    if can("unshare", "--net", "true"):
        command = ["unshare", "--net", *command]
    others = {"LC_ALL": "C", "LANG": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"}
    done = subprocess.run(
        list(map(str, command)),
        env=undisturbed.environment() | others,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    study = Study(root, expected=undisturbed.expected)
    assert study.wrong() == []
    assert sorted(results_of(root)) == sorted(undisturbed.expected)


@contextmanager
def disk(folder, kilobytes):
    """A disk of this size; yields how it is mounted anew with other options."""
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True
    )
    try:
        yield lambda options: subprocess.run(
            ["mount", "-o", f"remount,{options}", folder], check=True
        )
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@needs_mount
def test_a_disk_that_fills_up_is_said_and_a_larger_one_goes_on(undisturbed, tmp_path):
    """A disk that grows by a step each time that it is full."""
    root = tmp_path / "disk"
    study = Study(undisturbed.root, expected=undisturbed.expected)
    size = 512
    times_full = 0
    with disk(root, size) as remount:
        while (done := study.run(*study.arguments(), "--directory", root, check=False)).returncode:
            assert re.search("No space left on device|GB are free or allowed", done.said)
            # What Snakemake itself cannot write, it says in its own words
            assert re.search("--directory|Please ensure write permissions", done.said), done.said
            assert "Traceback" not in done.said
            times_full += 1
            size += 384
            remount(f"size={size}k")
        assert times_full > 2
        assert Study(root, expected=undisturbed.expected).wrong() == []
        assert (root / "results/scores.csv").read_bytes() == undisturbed.expected[
            "results/scores.csv"
        ]


@needs_mount
def test_a_folder_that_is_read_only_is_said_and_nothing_is_lost(undisturbed, tmp_path):
    root = tmp_path / "disk"
    study = Study(undisturbed.root, expected=undisturbed.expected)
    with disk(root, 50_000) as remount:
        for name in ("results", ".snakemake"):
            shutil.copytree(undisturbed.root / name, root / name, symlinks=True)
        (root / "results/scores.csv").unlink()
        remount("ro")
        done = study.run(*study.arguments(), "--directory", root, check=False)
        assert done.returncode
        assert "Traceback" not in done.said
        assert f"{root}: is read-only for this user; change its" in done.said
        remount("rw")
        study.run(*study.arguments(), "--directory", root)
        assert Study(root, expected=undisturbed.expected).wrong() == []
