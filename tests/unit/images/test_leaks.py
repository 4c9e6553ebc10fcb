"""A test image of one dataset that trains in another."""

import pandas as pd
import pytest

from denoising.images.leaks import refuse_leaks


def table(folder, **pixels):
    rows = [
        (
            "test" if name.startswith("t") else "train",
            f"{folder}/{name}.tif",
            "7" if name == "t2" else "",
            values,
        )
        for name, values in pixels.items()
    ]
    return pd.DataFrame(rows, columns=["part", "file", "frame", "pixels"])


def test_all_test_images_that_train_elsewhere_are_named():
    trained = table("one", a="1", b="2", t1="3", c="4")
    tested = table("two", a="1", t1="2", t2="4", t3="5", t4="3")
    with pytest.raises(ValueError) as refused:
        refuse_leaks(trained, tested, ("first", "second"))
    assert str(refused.value).splitlines() == [
        "models trained on first would be tested on images they have seen; take these out of one of"
        " the two, or second out of tested_on.",
        "  two/t1.tif, a test image of second, has the pixels of one/b.tif, which trains in first.",
        "  two/t2.tif (frame 7), a test image of second, has the pixels of one/c.tif, which"
        " trains in first.",
    ]


def test_images_that_only_train_or_only_test_in_both_are_fine():
    refuse_leaks(table("one", a="1", t1="2"), table("two", a="1", t1="2"), ("first", "second"))
