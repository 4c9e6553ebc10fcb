"""The report, opened from a file: findings come first, and each result is one click away."""

import pytest

RESULTS = "return Object.keys(results)"
SHOWN = """
const frame = document.querySelector('iframe');
const image = document.querySelector('.h-screen > .p-3 > img');
return frame ? 'page' : image && image.complete && image.naturalWidth > 100 ? 'image' : ''
"""
FIGURES = """
return [...document.querySelectorAll('.findings img:not([hidden])')]
    .every(image => image.naturalWidth > 100)
"""
ROWS = "[...document.querySelectorAll('.contents tbody tr')]"


def errors(browser):
    """Lines of the console, but for a word of Snakemake's page on its own style sheet."""
    return [line for line in browser.said() if "tailwindcss" not in line]


@pytest.fixture(scope="module")
def report(results):
    return results / "report.html"


@pytest.fixture
def opened(browser, report):
    browser.open(report, "return document.querySelector('.findings') !== null")
    return browser


def test_it_opens_on_the_findings_with_figure_2_and_no_errors(opened, report):
    opened.wait(FIGURES)
    text = opened.run("return document.querySelector('.findings').innerText")
    assert text.index("leaves") < text.index("Limits: ") < text.index("Methods")
    top = opened.run("return document.querySelector('.findings h1').getBoundingClientRect().top")
    assert 0 <= top < 100
    assert errors(opened) == []
    assert opened.asked_for() == [report.resolve().as_uri()]
    opened.screenshot("report")


def test_one_click_shows_each_figure_and_table_with_its_caption(opened):
    paths = opened.run(RESULTS)
    links = opened.run(f"return {ROWS}.map(row => row.querySelector('a').innerText)")
    assert len(links) == len(paths) > 20
    for index, link in enumerate(links):
        opened.run("app.setView({content: 'rulegraph'})")
        opened.wait(f"return {ROWS}.length > 0")
        opened.run(f"{ROWS}[arguments[0]].querySelector('a').click()", index)
        kind = opened.wait(SHOWN)
        assert kind == ("image" if link.endswith("(figure)") else "page"), link
        caption = opened.run("return document.querySelector('.prose-invert').innerText")
        assert "Organism: " in caption, link
    assert errors(opened) == []


def test_the_viewer_works_in_it(opened):
    opened.run(f"{ROWS}[0].querySelector('a').click()")
    frame = opened.wait("return document.querySelector('iframe')")
    opened.driver.switch_to.frame(frame)
    opened.wait("return document.body.dataset.drawn")
    opened.driver.switch_to.default_content()
    opened.screenshot("report-viewer")


def test_the_list_can_be_filtered_by_organism_condition_and_model(opened):
    shown = f"return {ROWS}.filter(row => !row.hidden).length"
    everything = opened.run(shown)
    script = """
      const field = document.querySelector('.findings input'); field.value = arguments[0];
      field.dispatchEvent(new Event('input', {bubbles: true}))"""
    opened.run(script, "Tribolium C1 planaria-100 (table)")
    texts = opened.run(f"return {ROWS}.filter(row => !row.hidden).map(row => row.textContent)")
    assert 0 < len(texts) < everything
    assert all("(table)" in text and "planaria-100" in text for text in texts)
    opened.run(script, "")
    assert opened.run(shown) == everything


def test_every_folder_of_the_menu_opens(opened):
    """Each as a reader comes to it: from the menu."""
    folders = opened.run("return categories")
    for category, folder in folders.items():
        opened.run("app.setView({navbarMode: 'menu'})")
        opened.run("app.showCategory(arguments[0])", category)
        rows = opened.wait("return document.querySelectorAll('#app nav table tbody tr').length")
        assert rows == sum(map(len, folder.values()))
    assert errors(opened) == []


def test_a_table_sorts_by_a_click_on_a_heading(browser, results):
    browser.open(results / "tables/table1_planaria.html")
    titles = browser.run("return [...document.querySelectorAll('th')].map(h => h.innerText)")
    index = next(i for i, title in enumerate(titles) if title.startswith("NRMSE"))
    cells = """return [...document.querySelector('table').tBodies[0].rows]
        .map(row => parseFloat(row.cells[arguments[0]].innerText)).filter(n => !isNaN(n))"""
    click = "document.querySelectorAll('th')[arguments[0]].click()"
    browser.run(click, index)
    values = browser.run(cells, index)
    assert values == sorted(values)
    browser.run(click, index)
    assert browser.run(cells, index) == values[::-1]
    assert browser.said() == []
    browser.screenshot("table")
