"""The environment variables of jobs, whatever those of the shell that runs Snakemake."""

import os
from collections.abc import MutableMapping
from pathlib import Path

from denoising.running.logs import OWN_CONSOLE

# Another Keras, or another of its backends, cannot open csbdeep's models
UNWANTED = ("TF_USE_LEGACY_KERAS", "KERAS_BACKEND", "KERAS_HOME", "PYTHONHOME")


def close_to_others() -> None:
    """See to it that nobody but the user and their group can change what this process and its jobs
    write, whatever the shell's umask.
    """
    os.umask(os.umask(0o002) | 0o002)


def set_environment(
    environment: MutableMapping[str, str],
    scripts: Path,
    is_alone: bool,
    has_gpu: bool,
    has_own_console: bool,
) -> None:
    """Give jobs an environment of their own.

    Parameters
    ----------
    environment : mapping
        Changed.
    scripts : Path
        The folder of the library, which scripts import from whatever folder they lie in.
    is_alone : bool
        Whether this is the whole workflow; of one that it is a module of, the paths stay.
    has_gpu : bool
        Without a GPU, TensorFlow says nothing of those that it does not find.
    has_own_console : bool
        Whether these are jobs that a cluster runs, whose console is not the user's.
    """
    for name in UNWANTED:
        environment.pop(name, None)
    others = "" if is_alone else environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(scripts), others]))
    environment["MPLBACKEND"] = "Agg"  # a notebook's needs packages of its own
    environment["PYTHONUTF8"] = "1"
    if not has_gpu:
        environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if has_own_console:
        environment[OWN_CONSOLE] = "1"
