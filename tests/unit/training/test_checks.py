"""Data that cannot serve are refused before training; the sentence names file or model."""

import numpy as np
import pandas as pd
import pytest

from denoising.images.volumes import listing_row, write_listing
from denoising.training.checks import check_batch, check_scorable


@pytest.mark.parametrize(("shape", "part", "refused"), [
    ((6, 32, 6), "test", True), ((1, 32, 7), "test", False), ((6, 32, 6), "train", False),
])  # fmt: skip
def test_only_volumes_that_can_be_scored_may_test(shape, part, refused, tmp_path):
    write_listing(tmp_path, [listing_row(part, "worm", "1", np.zeros(shape, np.uint16), "ZYX")])
    if refused:
        with pytest.raises(
            ValueError, match=r"worm\.tif: a test volume of 6x32x6 cannot be scored.*7 voxels"
        ):
            check_scorable(tmp_path)
    else:
        check_scorable(tmp_path)


def split_of(train, validation):
    parts = ["train"] * train + ["validation"] * validation
    return pd.DataFrame({"patch": range(len(parts)), "part": parts})


def test_batch_up_to_the_training_set():
    check_batch("worms", 8, split_of(8, 2))


def test_larger_batch_is_refused():
    with pytest.raises(ValueError, match=r"model worms: batch_size is 9, .* 8 patches"):
        check_batch("worms", 9, split_of(8, 2))
