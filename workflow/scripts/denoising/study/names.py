"""Names that files, columns and configs share, and sentences that tables and captions share."""

TRUTH = "truth"  # the condition of the ground truth
SCALES = "scale"  # the folder of predicted scales, beside the conditions of a restoration
SPREADS = "spread"  # the folder of standard deviations between networks, beside new restorations
QUICKLOOKS = "quicklooks"  # the folder of pictures, beside new restorations
INTERVALS = "interval"  # the folder of an ensemble's 95 % intervals, as of scales
# Intervals as networks predict them, and rescaled by conformal factors
PREDICTED = "predicted"
RESCALED = "rescaled"
ELSEWHERE = "elsewhere"  # where networks were trained that the study did not train
NUCLEI = "nuclei.csv"  # of true nuclei, in archives and folders of volumes
INPUT = "input"  # the method that restores nothing
# Of captions, after what intervals are over
OVER_TRAININGS = (
    ", and over trainings if a model has several; intervals of ensembles are over volumes alone"
)
TWO_TRAININGS = (
    "A difference between two models that were trained once each is a difference between two "
    "trainings."
)
