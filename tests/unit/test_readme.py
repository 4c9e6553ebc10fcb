"""README holds together: its links lead somewhere, its commands exist, nothing in it is left to be
filled in.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md", "profiles/README.md"]
PAGES += ["resources/README.md"]
PAGES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))
README_WORDS = 600


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= README_WORDS


@pytest.mark.parametrize("page", PAGES)
def test_local_links_lead_somewhere(page):
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert "://" in link or (path.parent / link).exists(), link


def anchor(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_to_headings_lead_to_one(page):
    path = ROOT / page
    for target, name in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", path.read_text()):
        text = (path.parent / target).read_text() if target else path.read_text()
        assert name in [anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.M)], name


@pytest.mark.parametrize("page", PAGES)
def test_nothing_is_left_to_be_filled_in(page):
    assert not re.findall(r"\b(?:TODO|FIXME)\b|@[A-Z0-9]+@", (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_its_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", (ROOT / page).read_text(), re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target


COMMANDS = [*PAGES, "Makefile", ".ci/run", ".github/workflows/ci.yml"]
COMMANDS += sorted(
    str(path.relative_to(ROOT))
    for name in ("config", "profiles")
    for path in (ROOT / name).rglob("*.yaml")
)


@pytest.mark.parametrize("page", COMMANDS)
def test_targets_stand_before_options(page):
    """Behind options such as `--resources`, Snakemake takes a target for one more value."""
    for command in re.findall(r"\bsnakemake((?: +[^\s`#|>;,]+)+)", (ROOT / page).read_text()):
        options = command[command.find(" -") :] if " -" in command else ""
        options = re.sub(r" --report \S+", "", options)  # it takes a file
        targets = re.findall(r" (results/\S+|check|restored|published|verify)(?= |$)", options)
        assert not targets, f"snakemake{command}"
