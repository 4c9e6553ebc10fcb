"""Where each training of the 2019 study was best, and what became of it."""

from denoising.evaluation.published_records import LAST_EPOCHS, curve_summary, read_histories
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.report.score_tables import SETTINGS, whole
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    table = curve_summary(read_histories(snakemake.input.records))
    table = table.sort_values(["trained_on", "record"], ignore_index=True)
    table = whole(table.astype(dict.fromkeys(("recorded", "samples", "best_epoch"), "Int64")))
    losses = {"best_val_loss": 3, "final_val_loss": 3, "rise": 3, "loss_fall": 3}
    cells = table.drop(columns=["trained_on", *SETTINGS]).round(losses)
    title = "The 2019 study's trainings, by its own records"
    legend = [
        "Loss: Laplace, nats per voxel. Final: median of the last "
        f"{LAST_EPOCHS} epochs; rise: final less best; fall: of the training loss since the best "
        "epoch. Models are named as in the config."
    ]
    write_table(table, Page(title, "", [Section(cells)], legend), snakemake.output)
