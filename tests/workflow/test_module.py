"""The workflow as a module of another one, in another folder."""

import pytest
from conftest import HERE, Workflow

CONFIG = HERE / "miniature.yaml"
SNAKEFILE = """
configfile: "{config}"

module denoising:
    snakefile: "{root}/Snakefile"
    config: config

use rule * from denoising
"""


@pytest.fixture
def outer(workflow, tmp_path):
    """A workflow of one module, this one."""
    text = SNAKEFILE.format(config=CONFIG, root=workflow.root)
    (tmp_path / "Snakefile").write_text(text)
    return Workflow(tmp_path)


def test_as_a_module_it_is_the_same_graph(outer, workflow):
    assert outer.jobs() == workflow.jobs("--configfile", CONFIG)


def test_as_a_module_it_finds_its_code(outer):
    outer.run("--cores", "1", "results/volumes/planaria")
    assert (outer.root / "results/volumes/planaria/volumes.csv").exists()
