"""From which percentiles of an image those of a training patch are drawn."""

from denoising.images.volumes import INPUT_PERCENTILES

# csbdeep's create_patches: sample_percentiles()
LOW_PERCENTILES = (1.0, 3.0)
HIGH_PERCENTILES = (99.5, 99.9)

Ranges = tuple[tuple[float, float], tuple[float, float]]  # of the lower and upper percentile


def drawn_ranges(percentiles: tuple[float, float]) -> Ranges:
    """The ranges about the percentiles of an image that are 0 and 1: csbdeep's own about 3 and
    99.8, and others in proportion.
    """
    low, high = percentiles
    if percentiles == INPUT_PERCENTILES:
        return LOW_PERCENTILES, HIGH_PERCENTILES
    return (low / 3, low), (100 - 2.5 * (100 - high), 100 - (100 - high) / 2)
