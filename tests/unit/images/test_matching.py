"""Which low-SNR file belongs to which high-SNR file."""

import os
import unicodedata
from pathlib import Path

import pytest

from denoising.images.matching import match_pairs


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Make empty files in the working directory."""
    monkeypatch.chdir(tmp_path)

    def make(*names):
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return make


def test_files_pair_by_what_the_wildcard_matches(files):
    files(
        "raw/fish2_noisy.tif",
        "raw/fish1_noisy.tif",
        "raw/notes.txt",
        "clean/gt_fish1.tif",
        "clean/gt_fish2.tif",
    )
    assert match_pairs("raw/*_noisy.tif", "clean/gt_*.tif") == [
        ("fish1", Path("raw/fish1_noisy.tif"), Path("clean/gt_fish1.tif")),
        ("fish2", Path("raw/fish2_noisy.tif"), Path("clean/gt_fish2.tif")),
    ]


def test_several_wildcards_and_folders(files):
    files("day1/low/a.tif", "day2/low/a.tif", "day1/high/a.tif", "day2/high/a.tif")
    assert match_pairs("day*/low/*.tif", "day*/high/*.tif") == [
        ("1-a", Path("day1/low/a.tif"), Path("day1/high/a.tif")),
        ("2-a", Path("day2/low/a.tif"), Path("day2/high/a.tif")),
    ]


def test_only_the_star_is_a_wildcard(files):
    files("a[1]?.low.tif", "a[1]?.high.tif", "a1x.low.tif")
    assert [name for name, _, _ in match_pairs("*[1]?.low.tif", "*[1]?.high.tif")] == ["a"]


def test_absolute_patterns(files, tmp_path):
    files("low/a.tif", "high/a.tif")
    found = match_pairs(f"{tmp_path}/low/*.tif", f"{tmp_path}/high/*.tif")
    assert found == [("a", tmp_path / "low/a.tif", tmp_path / "high/a.tif")]


@pytest.mark.parametrize(
    ("low", "high", "key"), [("raw/*.png", "clean/*", "low"), ("raw/*", "claen/*", "high")]
)
def test_pattern_without_a_match_is_named(low, high, key, files):
    files("raw/a.tif", "clean/a.tif")
    pattern = {"low": low, "high": high}[key]
    with pytest.raises(ValueError) as refused:
        match_pairs(low, high)
    assert f"pairs.{key}: {pattern} matches no file" in str(refused.value)


def test_every_file_without_a_partner_is_named(files):
    files("raw/a.tif", "raw/b.tif", "raw/c.tif", "clean/a.tif", "clean/d.tif")
    with pytest.raises(ValueError) as refused:
        match_pairs("raw/*.tif", "clean/*.tif")
    said = str(refused.value)
    assert all(
        words in said for words in ("b (only in low)", "c (only in low)", "d (only in high)")
    )
    assert "a (only" not in said


def test_files_that_would_get_one_name_are_refused(files):
    files("low/a/b-c.tif", "low/a-b/c.tif", "high/a/b-c.tif", "high/a-b/c.tif")
    with pytest.raises(ValueError, match="a-b-c"):
        match_pairs("low/*/*.tif", "high/*/*.tif")


def test_double_slash(files):
    files("low/a.tif", "high/a.tif")
    assert len(match_pairs("low//*.tif", "high//*.tif")) == 1


def test_file_is_not_its_own_partner(files):
    files("raw/a.tif", "raw/b.tif")
    with pytest.raises(ValueError, match=r"pairs"):
        match_pairs("raw/*.tif", "raw/*.tif")


def test_wildcard_that_matches_nothing_leaves_a_usable_name(files):
    files("low/_z.tif", "low/a_z.tif", "high/_z.tif", "high/a_z.tif")
    assert not any("*" in name for name, _, _ in match_pairs("low/*_z.tif", "high/*_z.tif"))


# Names


def nfc(name):
    return unicodedata.normalize("NFC", name)


def nfd(name):
    return unicodedata.normalize("NFD", name)


@pytest.mark.parametrize("pattern_form", [nfc, nfd])
def test_letters_pair_however_unicode_writes_them(pattern_form, files):
    files(nfd("Müller/é1_löw.tif"), nfc("Müller/é1_high.tif"), nfd("Müller/é2_high.tif"))
    files(nfc("Müller/é2_löw.tif"))
    found = match_pairs(pattern_form("Müller/*_löw.tif"), pattern_form("Müller/*_high.tif"))
    assert [name for name, _, _ in found] == [nfc("é1"), nfc("é2")]
    assert all(path.exists() for _, *paths in found for path in paths)


def test_two_files_of_one_name_but_for_unicode_are_named(files):
    files(nfd("é_low.tif"), nfc("é_low.tif"), nfc("é_high.tif"))
    with pytest.raises(ValueError) as refused:
        match_pairs("*_low.tif", "*_high.tif")
    assert str(refused.value) == (
        r"pairs: 'e\u0301_low.tif', '\xe9_low.tif' have the same name, but for how Unicode writes"
        " its letters; rename or delete one."
    )


@pytest.mark.parametrize(
    "name", ["a {x y", "{", "}{", "cell 1 α", "100%", "x" * 200, "a\u202fb", ".5"]
)
def test_odd_names_are_names(name, files):
    files(f"c{name}_low.tif", f"c{name}_high.tif")
    assert name in [found for found, _, _ in match_pairs("c*_low.tif", "c*_high.tif")]


def test_paths_that_snakemake_takes_for_wildcards_are_all_named(files):
    files("a{x}_low.tif", "a{x}_high.tif", "b_low.tif", "b_high.tif", "{1,2}_low.tif")
    files("{1,2}_high.tif")
    with pytest.raises(ValueError) as refused:
        match_pairs("*_low.tif", "*_high.tif")
    assert str(refused.value) == (
        "pairs: Snakemake takes {x} in a path for a wildcard; rename without braces or <>:"
        " a{x}_low.tif, {1,2}_low.tif, a{x}_high.tif, {1,2}_high.tif."
    )


def test_a_path_that_stands_for_another_in_snakemake_is_named(files):
    """It would read the file results_low.tif instead."""
    files("<results>_low.tif", "<results>_high.tif", "<B>_low.tif", "<B>_high.tif")
    with pytest.raises(
        ValueError, match=r"takes <results> in a path .* or <>: <results>_low\.tif,"
    ):
        match_pairs("*_low.tif", "*_high.tif")


def test_names_that_are_too_long_are_named(files):
    folder = "y" * 120
    files(f"{folder}/low/{'x' * 100}.tif", f"{folder}/high/{'x' * 100}.tif")
    with pytest.raises(ValueError) as refused:
        match_pairs("*/low/*.tif", "*/high/*.tif")
    assert str(refused.value) == (
        "pairs: what * matches in */low/*.tif is too long for the name of a volume, expected"
        f" at most 200 bytes: {folder}-{'x' * 100}; rename the files."
    )


@pytest.mark.parametrize("name", ["a\nb", os.fsdecode(b"caf\xe9")])
def test_names_that_no_table_can_hold_are_named(name, files):
    files(f"{name}_low.tif", f"{name}_high.tif")
    with pytest.raises(ValueError) as refused:
        match_pairs("*_low.tif", "*_high.tif")
    said = str(refused.value)
    assert f"has control characters or is no UTF-8: {ascii(name)}; rename the files." in said


def test_a_variable_that_is_not_set_is_named(files):
    files("raw/a.tif", "clean/a.tif")
    with pytest.raises(ValueError, match=r"matches no file, and the variable \$RAW is not set;"):
        match_pairs("$RAW/*.tif", "clean/*.tif")


def test_a_dollar_in_a_name_is_no_variable(files):
    files("a$1_low.tif", "a$1_high.tif")
    assert [name for name, _, _ in match_pairs("*$1_low.tif", "*$1_high.tif")] == ["a"]
