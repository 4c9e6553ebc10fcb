"""Costs of the 2019 study's epochs, and the rates of its hardware in them."""

from denoising.evaluation.published_records import read_histories
from denoising.evaluation.published_times import epoch_times
from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.report.score_tables import whole
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    histories = read_histories(snakemake.input.records)
    table = epoch_times(histories, read_tidy(snakemake.input.sizes))
    table = table.sort_values(["trained_on", "patches", "record"], ignore_index=True)
    table = whole(table.astype(dict.fromkeys(("patches", "validation_patches"), "Int64")))
    digits = {"seconds_per_epoch": 1, "samples_per_second": 1, "teraflop_per_second": 2}
    cells = table.round(digits).drop(columns=["trained_on"])
    cells["seconds_per_epoch"] = cells["seconds_per_epoch"].map("{:.1f} s".format)
    title = "What the 2019 study's epochs cost"
    legend = [
        "Medians over epochs, on one GTX 1080. Patches per second: those trained on, by the whole "
        "epoch. TFLOP per second: arithmetic of training and of validation, convolutions alone."
    ]
    write_table(table, Page(title, "", [Section(cells)], legend), snakemake.output)
