"""The streams of random numbers, each with a name.

One seed of the study serves several purposes, whose draws must not depend on one another. Each
purpose therefore has a number, which is part of the generator's entropy after the seed.
"""

import numpy as np

# Another number would change the results of every study. Two numbers serve two purposes each, which
# draw from lists of different things.
STREAMS = {
    "order of patches": 0,
    "places of patches": 1,  # with the number of the image
    "split": 2,
    "held-out images": 3,
    "patches to tune on": 3,
    "batch order": 4,  # with the number of the pass
    "symmetries": 5,  # with the number of the batch
    "restarts": 6,  # with the number of the restart
    "training volumes": 8,
    "validation subset": 0,  # of a seed of its own, which is the same for every model
}


def random_stream(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Generator for one purpose.

    Parameters
    ----------
    seed : int
        Whole number of at least 0.
    name : str
        Key of `STREAMS`.
    numbers : int
        Further numbers of at least 0 that tell apart generators for the same purpose. As numpy
        pads entropy with zeros, none and 0 are the same.
    """
    return np.random.default_rng([seed, STREAMS[name], *numbers])


def specimen_stream(seed: int, *words: str | int) -> np.random.Generator:
    """Generator for one part of a simulated archive, such as species, part and number of a volume.

    The words' characters are the entropy after the seed. Their codes are larger than the numbers
    of `STREAMS`, so no two streams of one seed coincide.
    """
    return np.random.default_rng([seed, *"/".join(map(str, words)).encode()])
