"""Test images of one dataset that are training images of another, by the tables of their checks."""

import pandas as pd


def refuse_leaks(trained: pd.DataFrame, tested: pd.DataFrame, names: tuple[str, str]) -> None:
    """Refuse test images that a network trained on the other dataset has seen.

    Parameters
    ----------
    trained, tested : DataFrame
        With the columns part, file, frame and pixels.
    names : (str, str)
        Of the dataset that is trained on, and of the one that is tested on.

    Raises
    ------
    ValueError
        With one sentence per file.
    """
    trains = trained[trained["part"] == "train"]
    seen = dict(zip(trains["pixels"], _names(trains), strict=True))
    tests = tested[tested["part"] == "test"]
    leaks = [
        f"{name}, a test image of {names[1]}, has the pixels of {seen[pixels]}, which trains in"
        f" {names[0]}."
        for name, pixels in zip(_names(tests), tests["pixels"], strict=True)
        if pixels in seen
    ]
    if leaks:
        raise ValueError(
            f"models trained on {names[0]} would be tested on images they have seen; take these out"
            f" of one of the two, or {names[1]} out of tested_on.\n  " + "\n  ".join(leaks)
        )


def _names(table: pd.DataFrame) -> list[str]:
    """Each image by its file and, of several images in it, its frame."""
    files = zip(table["file"], table["frame"], strict=True)
    return [f"{file} (frame {frame})" if frame else file for file, frame in files]
