"""How well networks know their error."""

from denoising.logs import open_log
from denoising.statistics import read_calibration
from denoising.tables import calibration_table, write_table

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    paths = dict(zip(map(tuple, snakemake.params.calibrated), snakemake.input, strict=True))
    table = calibration_table(read_calibration(paths, study), study)
    title = f"{study['title']}: calibration"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
