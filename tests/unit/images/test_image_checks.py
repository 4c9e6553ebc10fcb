"""What a look at image pairs says: each message, by images that deserve it and by others."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from noisy_images import blobs, with_noise
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as moved

from denoising.images.checks import COLUMNS, Check, Limits
from denoising.images.pairs import held_out
from denoising.images.sources import Selection

SHAPE = (96, 80)
DEFAULTS = Limits()
SEED = 6  # of the draw of held-out images


def counts(image):
    """As a camera would: 16-bit numbers, of a range of 1000 above 100."""
    return (100 + 1000 * np.clip(image, 0, 30)).astype(np.uint16)


def specimen(number, shape=SHAPE):
    """A pair: a noisy image and its ground truth."""
    truth = 0.1 + blobs(shape, number)
    return counts(with_noise(truth, 0.15, number)), counts(with_noise(truth, 0.02, 100 + number))


def detailed(shape):
    """A ground truth with details of two voxels."""
    image = gaussian_filter(np.random.default_rng(7).random(shape), 1.5)
    return 0.1 + (image - image.min()) / (image.max() - image.min())


def looked_at(pairs, selection, limits=DEFAULTS):
    """A check that has looked at pairs; of a to f, `a` tests."""
    check = Check("mine", limits, Path())
    check.look(pairs, selection, 0.2, SEED)
    return check


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Look at six pairs of which pair `a` tests; some files hold what is given for them."""
    monkeypatch.chdir(tmp_path)

    def do(shape=SHAPE, limits=DEFAULTS, **changed):
        pairs = []
        for number, name in enumerate("abcdef"):
            names = (f"{name}_low.tif", f"{name}_high.tif")
            for file, image in zip(names, specimen(number, shape), strict=True):
                array = changed.get(file.removesuffix(".tif"), image)
                axes = {"axes": "ZYX"[-array.ndim :]}
                tifffile.imwrite(file, array, photometric="minisblack", metadata=axes)
            pairs.append((name, *map(Path, names)))
        return looked_at(pairs, Selection("ZYX"[-len(shape) :]), limits)

    return do


def problems(check):
    """All problems of a check, each with its file."""
    return [f"{where}: {what}" for where, what in check.problems.notes]


def only(sentences):
    (sentence,) = sentences
    return sentence


@pytest.mark.parametrize("shape", [SHAPE, (9, *SHAPE)], ids=["2D", "3D"])
def test_sound_pairs_are_said_nothing_of(shape, look):
    check = look(shape)
    assert (check.problems.notes, check.warnings) == ([], [])
    table = check.table()
    assert list(table.columns) == list(COLUMNS)
    assert list(table["file"][:3]) == ["a_low.tif", "a_high.tif", "b_low.tif"]
    assert set(table["shape"]) == {"x".join(map(str, shape))}
    assert list(table["part"]) == ["test"] * 2 + ["train"] * 10
    assert (table.loc[table["side"] == "low", "shift_y"].astype(float).abs() <= 0.3).all()


def test_the_table_is_the_same_each_time(look):
    assert look().table().equals(look().table())


# Errors

REMEDY = (
    "move the pair out of the folder, or, for sparse images, raise the dataset's"
    " patches.percentiles."
)


def test_all_errors_are_said_at_once_by_the_files_names(look, tmp_path):
    check = look(
        b_low=np.full(SHAPE, np.nan, np.float32),
        c_high=np.full(SHAPE, 7, np.uint16),
        d_low=specimen(3)[0][:, :70],
        e_low=specimen(5)[0],
    )
    with pytest.raises(ValueError) as refused:
        check.report(tmp_path / "mine.txt")
    assert str(refused.value).splitlines() == [
        "datasets.mine: 4 files or pairs cannot be used.",
        "  d_low.tif (96, 70) and d_high.tif (96, 80): a pair must have one shape; crop or rescale"
        " one of the two, or move the pair out of the folder.",
        "  b_low.tif: 7680 values are NaN or infinite; export it again, or crop both images of the"
        " pair to where values are known.",
        "  c_high.tif: its percentiles 3 and 99.5 are both 7, as in a blank or nearly empty image;"
        f" {REMEDY}",
        "  e_low.tif and f_low.tif: have equal pixels; keep one, and move the other pairs out.",
    ]


@pytest.mark.parametrize(("side", "part"), [("low", "test"), ("high", "test"), ("low", "train")])
def test_a_blank_image_is_an_error_wherever_it_is_used(side, part, look):
    name = {"test": "a", "train": "b"}[part]
    blank = np.full(SHAPE, 3, np.uint8)
    top = {"test": "99.8", "train": "99.5"}[part]
    assert only(problems(look(**{f"{name}_{side}": blank}))) == (
        f"{name}_{side}.tif: its percentiles 3 and {top} are both 3, as in a blank or nearly empty"
        f" image; {REMEDY}"
    )


def test_blank_images_of_one_value_are_said_in_one_line(look, tmp_path):
    blank = np.full(SHAPE, 3, np.uint8)
    wide = np.full(SHAPE, 4, np.uint8)
    check = look(b_low=blank, c_high=blank, d_low=wide)
    with pytest.raises(ValueError) as refused:
        check.report(tmp_path / "mine.txt")
    constant = "its percentiles 3 and 99.5 are both"
    assert str(refused.value).splitlines()[1:] == [
        f"  b_low.tif, c_high.tif: {constant} 3, as in a blank or nearly empty image",
        f"  d_low.tif: {constant} 4, as in a blank or nearly empty image; {REMEDY}",
    ]


def test_sparse_images_are_looked_at_by_the_percentiles_of_the_dataset(look):
    sparse = np.zeros(SHAPE, np.uint16)
    sparse[40, 20:35] = np.arange(100, 115)  # 15 of 7680 voxels: percentile 99.8 is 0
    assert "its percentiles 3 and 99.5 are both 0" in only(problems(look(b_low=sparse)))
    check = look(b_low=sparse, limits=Limits((3, 99.95)))
    assert not check.problems.notes
    row = check.table().set_index("file").loc["b_low.tif"]
    assert float(row["top"]) > float(row["least_top"]) > float(row["bottom"]) == 0


@pytest.mark.parametrize(
    ("shape", "patch", "remedy"),
    [
        (
            (3, *SHAPE),
            (16, 32, 32),
            "set the dataset's patches.shape to [32, 32], which trains on planes one by one.",
        ),
        ((3, *SHAPE), (4, 32, 96), "set the dataset's patches.shape to one that fits."),
        (SHAPE, (32, 96), "set the dataset's patches.shape to one that fits."),
    ],
)
def test_training_images_smaller_than_a_patch_are_errors(look, tmp_path, shape, patch, remedy):
    check = look(shape, Limits(patch=patch))
    with pytest.raises(ValueError) as refused:
        check.report(tmp_path / "mine.txt")
    line = str(refused.value).splitlines()[1]
    assert line.startswith("  b_low.tif, b_high.tif, c_low.tif")
    assert line.endswith(f"f_high.tif: is {shape}, too small for a patch of {patch}; {remedy}")


def test_planes_of_stacks_may_be_patches(look):
    assert not look((3, *SHAPE), Limits(patch=(32, 32))).problems.notes


def test_two_blank_images_are_no_duplicates(look):
    blank = np.zeros(SHAPE, np.uint8)
    assert not [said for said in problems(look(b_low=blank, c_low=blank)) if "equal" in said]


def test_a_test_image_that_also_trains_is_an_error(look):
    assert only(problems(look(a_low=specimen(1)[0]))) == (
        "a_low.tif and b_low.tif: have equal pixels, and one would train and another test; keep"
        " one, and move the other pairs out."
    )


def test_equal_pixels_are_found_whatever_the_file(look):
    low = specimen(2)[0]
    check = look(b_low=low)
    tifffile.imwrite("b_low.tif", low, compression="zlib", byteorder=">", metadata={"axes": "YX"})
    again = looked_at(
        [(image.pair, image.path, image.path) for image in check.images[2:5:2]], Selection("YX")
    )
    assert "b_low.tif and b_low.tif and c_low.tif and c_low.tif" in only(problems(again))


def test_a_pair_of_one_image_twice_is_an_error(look):
    low, _ = specimen(1)
    assert only(problems(look(b_high=low))) == (
        "b_low.tif and b_high.tif: have equal pixels, expected a noisy and a clean image; replace"
        " one."
    )


def test_files_that_cannot_be_read_are_errors_too(look, tmp_path):
    look(b_low=np.zeros((3, *SHAPE), np.uint16))
    tifffile.imwrite("c_low.tif", np.ones(SHAPE, bool), photometric="minisblack")
    (tmp_path / "d_high.tif").write_text("no image")
    (tmp_path / "e_high.tif").unlink()
    names = [(name, Path(f"{name}_low.tif"), Path(f"{name}_high.tif")) for name in "abcdef"]
    again = looked_at(names, Selection("YX"))
    said = "\n".join(problems(again))
    assert re.search(r"b_low\.tif: axes are ZYX .*, expected YX", said)
    assert re.search(r"c_low\.tif: holds bool, expected integer or floating point numbers", said)
    assert re.search(r"d_high\.tif: not a readable TIFF file", said)
    assert "e_high.tif: cannot be read (No such file or directory)" in said
    assert len(again.problems.notes) == 4


# Frames


def save_movie(path, images, axes="TYX", **options):
    tifffile.imwrite(path, np.stack(images), metadata={"axes": axes}, imagej=not options, **options)


@pytest.fixture
def movies(tmp_path, monkeypatch):
    """Three pairs of movies of three frames; the second frame of `b_low` is blank if asked for."""
    monkeypatch.chdir(tmp_path)

    def save(blank=False, **options):
        for number, name in enumerate("abc"):
            frames = [specimen(10 * number + t) for t in range(3)]
            lows = [low for low, _ in frames]
            if blank and name == "b":
                lows[1] = np.full(SHAPE, 5, np.uint16)
            save_movie(f"{name}_low.tif", lows, **options)
            save_movie(f"{name}_high.tif", [high for _, high in frames], **options)
        return [(name, Path(f"{name}_low.tif"), Path(f"{name}_high.tif")) for name in "abc"]

    return save


def test_every_frame_is_an_image_and_those_of_a_file_test_or_train_together(movies):
    pairs = movies()
    table = looked_at(pairs, Selection("YX", "all")).table()
    assert list(table["pair"][:3]) == ["a-t0000", "a-t0001", "a-t0002"]
    assert list(table["frame"]) == ["0", "1", "2"] * 6
    (test,) = held_out("abc", 0.2, SEED)
    tests = set(table.loc[table["part"] == "test", "file"])
    assert tests == {f"{test}_low.tif", f"{test}_high.tif"}
    assert table.groupby("file")["sha256"].nunique().eq(1).all()
    assert table["pixels"].nunique() == 18


def test_some_frames_are_looked_at_and_no_others(movies):
    check = looked_at(movies(blank=True), Selection("YX", (0, 2)))
    assert not check.problems.notes
    assert set(check.table()["frame"]) == {"0", "2"}


def test_a_blank_frame_is_named_by_its_file_and_number(movies):
    said = only(problems(looked_at(movies(blank=True), Selection("YX", "all"))))
    assert re.match(r"b_low\.tif \(frame 1\): its percentiles 3 and 99\.\d are both 5, as", said)
    assert "move the pair out of the folder, or the frame out of pairs.frames, or, for" in said


def test_compressed_movies_are_looked_at_as_others_are(movies):
    plain = looked_at(movies(), Selection("YX", "all")).table()
    packed = movies(compression="lzw", photometric="minisblack")
    table = looked_at(packed, Selection("YX", "all")).table()
    files = ["bytes", "sha256"]
    assert table.drop(columns=files).equals(plain.drop(columns=files))
    assert not [path for path in Path().iterdir() if path.suffix != ".tif"]


def test_movies_of_other_lengths_are_a_problem(movies):
    pairs = movies()
    save_movie("c_high.tif", [specimen(number)[1] for number in (20, 21)])
    assert only(problems(looked_at(pairs, Selection("YX", "all")))).startswith(
        "c_low.tif (3 frames) and c_high.tif (2): a pair must have the same frames"
    )


def test_one_channel_is_looked_at(movies):
    pairs = movies()
    for _, *paths in pairs:
        for path in paths:
            frames = tifffile.imread(path)
            blank = np.zeros_like(frames)
            save_movie(path, [np.stack(both) for both in zip(frames, blank, strict=True)], "TCYX")
    assert not looked_at(pairs, Selection("YX", "all", 0)).problems.notes
    assert len(looked_at(pairs, Selection("YX", "all", 1)).problems.notes) == 18


def test_what_is_not_clear_about_files_is_said_once(movies):
    pairs = movies()
    assert only(looked_at(pairs, Selection("ZYX")).warnings) == (
        f"datasets.mine.pairs: {', '.join(str(path) for _, *both in pairs for path in both)}: its 3"
        " planes are called T, and taken for Z, as pairs.axes has it"
    )


# Warnings


@pytest.mark.parametrize("shape", [SHAPE, (16, *SHAPE)], ids=["2D", "3D"])
def test_a_shift_is_told_to_a_tenth_of_a_voxel(shape, look):
    truth = detailed(shape)
    step = (0, 2.4, -0.5)[-len(shape) :]
    low = counts(with_noise(moved(truth, step, mode="reflect"), 0.1))
    check = look(shape, b_low=low, b_high=counts(with_noise(truth, 0.02)))
    row = check.table().set_index("file").loc["b_low.tif"]
    assert float(row["shift_y"]) == pytest.approx(2.4, abs=0.11)
    assert float(row["shift_x"]) == pytest.approx(-0.5, abs=0.11)
    assert only(check.warnings) == (
        f"b_low.tif: what it shows lies {float(row['shift_y']):g} voxels along Y from where"
        " b_high.tif shows it (limit 1, datasets.mine.pairs.largest_shift), and a network would"
        " learn to blur; register the pair."
    )
    assert row["warnings"] == check.warnings[0]


def test_a_drift_along_z_is_told(look):
    truth = detailed((18, *SHAPE))
    drifting = np.stack([moved(plane, (0, z / 6 - 1.5)) for z, plane in enumerate(truth)])
    check = look(
        truth.shape,
        b_low=counts(with_noise(drifting, 0.1)),
        b_high=counts(with_noise(truth, 0.02)),
    )
    assert re.match(
        r"b_low\.tif: drifts against b_high\.tif by (1\.[789]|2\.[0123]) voxels in Y and X, from"
        " the first third of the planes to the last; register the pair plane by plane.",
        only(check.warnings),
    )


def test_bleaching_of_one_of_a_pair_is_told(look):
    truth = detailed((18, *SHAPE))
    fading = truth * np.linspace(1, 0.3, 18)[:, None, None]
    check = look(
        truth.shape, b_low=counts(with_noise(fading, 0.1)), b_high=counts(with_noise(truth, 0.02))
    )
    assert re.match(
        r"b_low\.tif: its brightness beside that of b_high\.tif changes by a factor of 0\.[45]\d?"
        " from the first third of the planes to the last, as by bleaching; take both images plane"
        " by plane, or the low-SNR one first",
        only(check.warnings),
    )


def test_clipped_images_are_told_and_images_of_few_counts_are_not(look):
    low, high = specimen(1)
    clipped = np.clip(high, 0, 1023)
    few = np.random.default_rng(0).poisson((low - 100) / 300).clip(0, 5).astype(np.uint8)
    share = 100 * (clipped == 1023).mean()
    assert only(look(b_high=clipped, c_low=few).warnings) == (
        f"b_high.tif: {share:.2g} % of its voxels have the largest value, 1023: bright structures"
        " are clipped, which no network undoes; expose for a shorter time, or move the pair out of"
        " the folder."
    )


def test_an_empty_field_is_told(look):
    nothing = [counts(with_noise(np.full(SHAPE, 0.5), sigma, 1)) for sigma in (0.1, 0.05)]
    assert only(look(b_low=nothing[0], b_high=nothing[1]).warnings) == (
        "b_high.tif: shows nothing that stands out from its noise, as an empty field does; if there"
        " is no specimen, move the pair out of the folder."
    )


def test_several_empty_fields_are_counted(look):
    fields = {f"{name}_high": counts(with_noise(np.full(SHAPE, 0.5), 0.05, i))
              for i, name in enumerate("bc")}  # fmt: skip
    check = look(**fields)
    first = "datasets.mine.pairs: 2 of 6 ground truths show nothing but background."
    assert first in check.dataset_warnings
    table = check.table().set_index("file")["background_only"]
    assert set(table[table == "yes"].index) == {"b_high.tif", "c_high.tif"}


def swapped(names):
    """Files of these pairs, each with the other's image."""
    both = {name: specimen("abcdef".index(name))[::-1] for name in names}
    sides = ("low", "high")
    return {f"{n}_{s}": image for n in names for s, image in zip(sides, both[n], strict=True)}


def test_pairs_that_seem_swapped_are_said_once(look):
    assert only(look(**swapped("abde")).warnings) == (
        "datasets.mine.pairs: in 4 of 6 pairs the low-SNR image is less noisy than its ground"
        " truth: see whether datasets.mine.pairs.low and high are swapped."
    )


def test_few_swapped_pairs_are_named(look):
    assert look(**swapped("bd")).warnings == [
        f"{name}_low.tif: is less noisy than its ground truth {name}_high.tif; see whether the"
        " files have each other's name."
        for name in "bd"
    ]


def test_many_warnings_are_cut_short_on_the_console(look, caplog, tmp_path):
    check = look()
    assert not check.warnings
    check.dataset_warnings = [f"warning {number}" for number in range(13)]
    check.report(tmp_path / "mine.txt")
    said = [record.getMessage() for record in caplog.records if record.name == "progress"]
    assert said[:10] == check.warnings[:10]
    assert said[10:] == [f"datasets.mine.pairs: 3 warnings more, all in {tmp_path / 'mine.txt'}"]
