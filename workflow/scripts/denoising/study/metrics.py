"""The metrics of a restoration: name, label, decimals, and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric: its name in scores, its label with unit, and the decimals that tables show.

    `best` is "low", "high", or the value that is best, as 1 for a ratio.
    """

    name: str
    label: str
    decimals: int
    best: str | float


METRICS = {
    metric.name: metric
    for metric in (
        Metric("nrmse", "NRMSE", 3, "low"),
        Metric("ssim", "SSIM", 3, "high"),
        Metric("psnr", "PSNR (dB)", 1, "high"),
        Metric("ece", "ECE", 3, "low"),
        Metric("inside", "inside 95 %", 3, 0.95),
        Metric("ratio", "error / scale", 2, 1.0),
    )
}
