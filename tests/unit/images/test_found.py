"""Which images globs and folders name, and what their restorations are called."""

import pytest

from denoising.images.found import find_images, left_out


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("new/a.tif", "new/day 2/b{1}.TIF", "new/day 2/notes.txt", "new/z.ome.zarr/0/c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("new", ["a", "day 2/b{1}", "z"]),
        ("new/", ["a", "day 2/b{1}", "z"]),
        ("new/*.tif", ["a"]),
        ("new/**/*", ["a", "day 2/b{1}", "z"]),
        ("new/*", ["a", "z"]),
        ("new/day 2/b{1}.TIF", ["b{1}"]),
        ("*/a.tif", ["new/a"]),
        ("new/z.ome.zarr", ["z"]),
    ],
)
def test_folders_below_the_fixed_part_are_kept(folder, pattern, names):
    assert sorted(find_images([pattern], "out")) == names


def test_absolute_paths_are_understood(folder):
    assert list(find_images([f"{folder}/new/*.tif"], "out")) == ["a"]


def test_links_to_folders_are_followed_but_not_round_and_round(folder):
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/c.tif").touch()
    (folder / "new/linked").symlink_to("../elsewhere")
    for name in ("new/loop", "new/day 2/loop", "elsewhere/loop"):
        (folder / name).symlink_to(folder / "new")
    assert sorted(find_images(["new"], "out")) == ["a", "day 2/b{1}", "linked/c", "z"]


def test_restorations_are_not_restored(folder):
    (folder / "new/restored").mkdir()
    (folder / "new/restored/a.tif").touch()
    assert sorted(find_images(["new"], "new/restored")) == ["a", "day 2/b{1}", "z"]


@pytest.mark.parametrize("pattern", ["nothing", "new/*.png", "new/day 2/*.tif?"])
def test_a_pattern_without_images_is_named(folder, pattern):
    with pytest.raises(ValueError, match=r"restore\.images: .* names no image, looked for in /"):
        find_images([pattern], "out")


def test_two_images_of_one_name_are_named(folder):
    (folder / "new/a.ome.tif").touch()
    with pytest.raises(ValueError, match=r"new/a\.ome\.tif and new/a\.tif would both .* as a"):
        find_images(["new"], "out")
    with pytest.raises(ValueError, match="would both be restored"):
        find_images(["new/a.tif", "*/a.tif", "new/*.ome.tif"], "out")


def test_images_of_formats_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "new/day1").mkdir(parents=True)
    (tmp_path / "new/day1/a.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "new/notes.txt").write_text("no image")
    (tmp_path / "new/a.tif").write_bytes(b"II*\0")
    (tmp_path / "new/restored").mkdir()
    (tmp_path / "new/restored/a.png").write_bytes(b"\x89PNG\r\n")
    folders = [str(tmp_path / "new"), str(tmp_path / "*.tif")]
    png = tmp_path / "new/day1/a.png"
    assert left_out(folders, str(tmp_path / "new/restored")) == [f"{png} (PNG)"]
