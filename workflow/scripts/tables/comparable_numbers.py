"""Which published numbers may stand beside which, by their protocols and test sets."""

from denoising.evaluation.comparable import comparable, with_ours
from denoising.evaluation.scores import read_tidy
from denoising.report.markdown import Page, Section
from denoising.report.pages import write_table
from denoising.running.logs import open_log

with open_log(snakemake.log[0], snakemake.input):
    study = snakemake.params.study
    table = comparable(with_ours(read_tidy(snakemake.input.protocols), study))
    beside = table[["source", "tested_on", "protocol", "beside", "why_not"]]
    beside = beside.rename(
        columns={"beside": "may stand beside", "why_not": "why not beside the CARE paper"}
    )
    protocols = table.drop(columns=["beside", "why_not"])
    title = "Which published numbers may stand beside which"
    legend = [
        "Numbers of one protocol on one test set compare, condition by condition, and no others. "
        "Simulated specimens are a test set of their own. ZeroCostDL4Mic's notebooks come without "
        "a test set, so that its numbers stand beside none."
    ]
    sections = [Section(beside), Section(protocols, "Protocols")]
    write_table(table, Page(title, "", sections, legend), snakemake.output)
