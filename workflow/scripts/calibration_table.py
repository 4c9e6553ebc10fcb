"""How well networks know their error."""

from denoising.evaluation.statistics import read_calibration
from denoising.report.tables import calibration_table, write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0]):
    study = snakemake.params.study
    paths = dict(zip(map(tuple, snakemake.params.calibrated), snakemake.input, strict=True))
    table = calibration_table(read_calibration(paths, study), study)
    title = f"{study['title']}: calibration"
    write_table(table, snakemake.output.csv, snakemake.output.markdown, title, study["note"])
