"""Snakemake that asks Slurm for its jobs every second. The plugin has no setting for it: as long as
no job ends, it waits 10 s longer each time.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(_):
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
main()
