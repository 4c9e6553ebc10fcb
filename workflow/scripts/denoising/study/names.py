"""Names that files, columns and configs share."""

from denoising.study.baselines import BASELINES

TRUTH = "truth"  # the condition of the ground truth
SCALES = "scale"  # the folder of predicted scales, beside the conditions of a restoration
INPUT = "input"  # the method that restores nothing
RESERVED = (INPUT, TRUTH, *BASELINES)
