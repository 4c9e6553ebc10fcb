"""Say which files are no longer what the record of the results says, and fail if any is not."""

import logging
from pathlib import Path

from denoising.running.logs import open_log
from denoising.running.verification import disagreements

with open_log(snakemake.log[0]):
    crate = Path(snakemake.params.crate)
    count, sentences = disagreements(crate)
    if sentences:
        raise ValueError("\n".join(sentences))
    agree = f"All {count} files and folders that {crate} has checksums of are as recorded."
    logging.getLogger("progress").info(agree)
