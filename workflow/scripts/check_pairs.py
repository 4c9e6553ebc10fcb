"""Look at every image of a user's pairs, and say what is wrong, before anything is made."""

import logging
from pathlib import Path

from denoising.images.checks import Check, Limits
from denoising.images.pairs import changed_since_import
from denoising.images.sources import Selection
from denoising.running.checksums import sha256_of_list
from denoising.running.logs import open_log
from denoising.running.outputs import whole, write_whole

with open_log(snakemake.log[0]):
    params = snakemake.params
    pairs = [(name, Path(low), Path(high)) for name, low, high in params.pairs]
    listing = Path(snakemake.output.warnings)
    limits = Limits(tuple(params.percentiles), params.largest_shift, tuple(params.patch))
    check = Check(snakemake.wildcards.dataset, limits, scratch=listing.parent)
    check.look(pairs, Selection(**params.selection), params.test_fraction, params.seed)
    check.report(listing)
    table = check.table()
    if changed := changed_since_import(table, Path(params.record)):
        logging.getLogger("progress").warning(
            "%s: changed since the import; what was made from it is made again, models too.",
            ", ".join(changed),
        )
    with whole(snakemake.output.table) as file:
        table.to_csv(file, index=False)
    write_whole(listing, "".join(f"{warning}\n" for warning in check.warnings))
    content = sha256_of_list(dict(zip(table["file"], table["sha256"], strict=True)))
    write_whole(snakemake.output.content, content + "\n")
