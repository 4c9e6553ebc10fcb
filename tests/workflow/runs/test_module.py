"""The workflow as a module of another one, in another folder."""

import re

import pytest
from conftest import HERE, ROOT, Workflow

CONFIG = HERE / "miniature.yaml"
PAGE = (ROOT / "docs/running.md").read_text()
SNAKEFILE = re.search(r"```python\n(.*?)```", PAGE, re.S).group(1)


@pytest.fixture
def outer(workflow, tmp_path):
    """The workflow of the page: of one module, this one."""
    text = SNAKEFILE.replace("mine.yaml", str(CONFIG))
    text = text.replace("/path/to/this/repository", str(workflow.root))
    (tmp_path / "Snakefile").write_text(text)
    return Workflow(tmp_path)


def test_as_a_module_it_is_the_same_graph(outer, workflow):
    assert outer.jobs() == workflow.jobs("--configfile", CONFIG)


def test_as_a_module_it_finds_its_code(outer):
    outer.run("--cores", "1", "results/volumes/planaria")
    assert (outer.root / "results/volumes/planaria/volumes.csv").exists()
