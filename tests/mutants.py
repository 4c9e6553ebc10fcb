"""Change the library in one place at a time, and count the changes that its tests notice.

Usage: python tests/mutants.py [MODULE ...] [--most N]

A change is a mutant of mutmut: another number, another operator, an argument left out, a text in
capitals. It is killed if the tests of its module fail, or never end. Each module of `TESTS` is
changed and tested alone, in a project of its own: mutants/NAME, where the library lies on top, as
mutmut wants it. The survivors stay there to look at: `mutmut results` and `mutmut show MUTANT`.
Constants of a module and its decorated functions are not changed. With --most, so many mutants of
each module are drawn, by a fixed seed, and tested.

The console has a Markdown table. Exits with 1 if fewer than 85 % of the mutants of any module are
killed.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

ROOT = Path(__file__).parents[1]
MUTMUT = Path(sys.executable).with_name("mutmut")
NEEDED = 0.85  # share of killed mutants
SEED = 0
KILLED = ("killed", "timeout")
# The tests of each module, none of which runs a network: mutmut forks, which TensorFlow does not
# survive
TESTS = {
    "evaluation/protocols": "evaluation/test_protocols*.py",
    "evaluation/moments": "evaluation/test_moments*.py",
    "evaluation/ssim": "evaluation/test_ssim*.py",
    "restoration/tiling": "restoration/test_tiling*.py",
    "restoration/tile_shapes": "restoration/test_tile_shapes*.py",
    "training/splits": "training/test_splits*.py",
    "training/schedules": "training/test_schedules*.py",
    "images/percentiles": "images/test_percentiles*.py images/test_normalisation*.py",
}
# One core: without threads of BLAS, which a fork would lose
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
CONFIG = """\
[tool.pytest.ini_options]
pythonpath = ["tests/unit"]
addopts = "--strict-markers -p no:cacheprovider"

[tool.mutmut]
source_paths = ["denoising"]
only_mutate = ["denoising/{module}.py"]
also_copy = ["workflow"]
pytest_add_cli_args_test_selection = {tests}
use_git_change_detection = false
"""


def make_project(module: str) -> Path:
    """A folder in which mutmut finds one module to change and its tests, and nothing else."""
    project = ROOT / "mutants" / Path(module).name
    shutil.rmtree(project, ignore_errors=True)
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow/scripts/denoising", project / "denoising", ignore=without)
    shutil.copytree(ROOT / "workflow/schemas", project / "workflow/schemas")
    shutil.copytree(ROOT / "tests/unit", project / "tests/unit", ignore=without)
    unit = project / "tests/unit"
    files = [file for pattern in TESTS[module].split() for file in sorted(unit.glob(pattern))]
    tests = [str(file.relative_to(project)) for file in files]
    (project / "pyproject.toml").write_text(CONFIG.format(module=module, tests=tests))
    return project


def mutants_of(project: Path, module: str) -> list[str]:
    """The names of all mutants of a module, in its order."""
    file = Path(f"denoising/{module}.py")
    with contextlib.chdir(project):  # where mutmut reads its settings
        names = mutate_file_contents(str(file), file.read_text()).mutant_names
    return [get_mutant_name(file, name) for name in names]


def drawn(mutants: list[str], most: int | None) -> list[str]:
    """At most so many of the mutants."""
    if most is None or most >= len(mutants):
        return mutants
    return sorted(random.Random(SEED).sample(mutants, most))


def run_mutants(project: Path, mutants: list[str]) -> dict[str, str]:
    """Test mutants one after the other; the outcome of each."""
    environment = os.environ | ENVIRONMENT
    command = [MUTMUT, "run", "--max-children", "1", *mutants]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout[-4000:], done.stderr[-4000:], file=sys.stderr)
        raise SystemExit(f"mutmut ended with {done.returncode} in {project}; see its words above.")
    command = [MUTMUT, "results", "--all", "true"]
    listed = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout
    outcomes = dict(re.findall(r"^\s+(\S+): (.+)$", listed, re.M))
    return {mutant: outcomes[mutant] for mutant in mutants}


def row_of(module: str, most: int | None) -> tuple[str, float]:
    """A row of the table for a module, and the share of its mutants that were killed."""
    start = time.monotonic()
    project = make_project(module)
    mutants = mutants_of(project, module)
    outcomes = run_mutants(project, drawn(mutants, most))
    counts = Counter(outcomes.values())
    killed = sum(counts[status] for status in KILLED)
    share = killed / len(outcomes)
    alive = [f"{mutant}: {status}" for mutant, status in outcomes.items() if status not in KILLED]
    (project / "survivors.txt").write_text("\n".join([*alive, ""]))
    seconds = time.monotonic() - start
    tested = f"{len(outcomes)} of {len(mutants)}"
    return f"| {module} | {tested} | {killed} | {100 * share:.1f} % | {seconds:.0f} s |", share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(TESTS)}")
    parser.add_argument("--most", type=int, help="mutants of each module to test; by default all")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.modules) - set(TESTS))
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}; modules are {', '.join(TESTS)}")
    print(f"Mutants of {date.today():%-d %B %Y}:\n")
    print("| module | mutants tested | killed | share | time |\n| --- | --- | --- | --- | --- |")
    too_few = []
    for module in arguments.modules or TESTS:
        row, share = row_of(module, arguments.most)
        print(row, flush=True)
        too_few += [module] * (share < NEEDED)
    if too_few:
        raise SystemExit(
            f"fewer than {100 * NEEDED:.0f} % of the mutants were killed in {', '.join(too_few)};"
            " write tests that fail for those in mutants/*/survivors.txt."
        )


if __name__ == "__main__":
    main()
