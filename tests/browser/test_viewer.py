"""The viewer of a test set in a real browser, as a reader uses it."""

import json

import numpy as np
import pytest
from conftest import ROOT
from scipy.ndimage import gaussian_filter
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from denoising.images.headers import Header, Normalisation
from denoising.restoration.album_page import write_album_page
from denoising.restoration.frames import frames_of
from denoising.restoration.new_images import Restored
from denoising.restoration.quicklooks import view

DRAWN = "return document.body.dataset.drawn"
PICTURE = "return document.getElementById(arguments[0]).toDataURL()"


class Viewer:
    """A page of the viewer; every act waits until it is drawn."""

    def __init__(self, browser, page):
        self.browser = browser
        browser.open(page, DRAWN)

    def do(self, script, *arguments):
        before = self.browser.run(DRAWN)
        self.browser.run(script, *arguments)
        self.browser.wait(f"{DRAWN} > arguments[0]", int(before))

    def slide(self, slider, value):
        script = "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        self.do(f"{script} s.dispatchEvent(new Event('input'))", slider, value)

    def click(self, selector):
        self.do("document.querySelector(arguments[0]).click()", selector)

    def press(self, keys):
        before = self.browser.run(DRAWN)
        ActionChains(self.browser.driver).send_keys(keys).perform()
        self.browser.wait(f"{DRAWN} > arguments[0]", int(before))

    def text(self, name):
        return self.browser.run("return document.getElementById(arguments[0]).textContent", name)

    def picture(self, name="image-truth-xy"):
        return self.browser.run(PICTURE, name)

    def texts(self, selector):
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
        return self.browser.run(script, selector)


@pytest.fixture(scope="module")
def pages(results):
    return sorted(results.glob("viewers/*.html"))


@pytest.fixture
def viewer(browser, pages):
    return Viewer(browser, pages[0])


def test_every_page_opens_from_its_file_without_an_error_or_a_request(browser, pages):
    assert pages
    for page in pages:
        viewer = Viewer(browser, page)
        assert browser.said() == []
        assert browser.asked_for() == [page.resolve().as_uri()]
        viewer.browser.screenshot(f"viewer-{page.stem}")
        viewer.browser.screenshot(f"viewer-{page.stem}-whole", whole=True)
        for address in ("http://", "https://"):
            assert address not in page.read_text(encoding="utf-8")


def test_every_panel_that_is_shown_has_an_image_that_is_not_blank(viewer):
    count = """
        const pixels = c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        return [...document.querySelectorAll("figure:not([hidden]) canvas")].map(
            c => [c.id, new Set(new Uint32Array(pixels(c).buffer)).size])"""
    colours = dict(viewer.browser.run(count))
    assert {f"image-truth-{axes}" for axes in ("xy", "xz")} < set(colours)
    assert {name.split("-")[0] for name in colours} == {"image", "error", "ssim", "scale"}
    # SSIM has no windows in the outermost planes; a network that hardly trained predicts one scale
    assert min(colours[name] for name in colours if name.startswith(("image", "error"))) > 10


@pytest.mark.parametrize("slider", ["volume", "plane", "row", "low", "high", "gamma"])
def test_a_slider_changes_the_picture(viewer, slider):
    name = "image-truth-xz" if slider == "row" else "image-truth-xy"
    before, text = viewer.picture(name), viewer.text(f"{slider}-text")
    value = {"volume": 1, "plane": 2, "row": 3, "low": 0.3, "high": 0.4, "gamma": 1.2}[slider]
    if viewer.browser.run("return document.getElementById(arguments[0]).value", slider) == "1":
        value = 0
    viewer.slide(slider, value)
    assert viewer.picture(name) != before
    assert viewer.text(f"{slider}-text") != text


def test_another_condition_changes_the_input_and_not_the_truth(viewer):
    before = [viewer.picture(f"image-{name}-xy") for name in ("input", "truth")]
    assert viewer.text("condition-text").startswith("noisiest")
    viewer.slide("condition", 0)
    after = [viewer.picture(f"image-{name}-xy") for name in ("input", "truth")]
    assert viewer.text("condition-text").startswith("cleanest")
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_brightest_error_changes_errors_alone(viewer):
    names = ("image-input-xy", "error-input-xy")
    before = [viewer.picture(name) for name in names]
    viewer.slide("most", 0.5)
    after = [viewer.picture(name) for name in names]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False]
    viewer.click("#reset")
    assert [viewer.picture(name) for name in names] == before


def test_keys_go_through_planes_conditions_and_volumes(viewer):
    for keys, name in ((Keys.ARROW_RIGHT, "plane"), ("c", "condition"), ("v", "volume")):
        before = viewer.text(f"{name}-text")
        viewer.press(keys)
        assert viewer.text(f"{name}-text") != before
    viewer.press(Keys.ARROW_LEFT)
    assert viewer.browser.said() == []


def test_the_table_has_the_worst_first_and_a_click_on_a_score_shows_its_volume(viewer):
    sorted_by = viewer.texts("#scores th").index(viewer.texts("#scores th.sorted")[0])
    scores = [float(text) for text in viewer.texts(f"#scores td:nth-child({sorted_by + 1})")]
    assert scores == sorted(scores, reverse=True)
    assert viewer.texts("#scores tr.shown") == viewer.texts("#scores tbody tr:first-child")
    volume, condition = viewer.texts("#scores tbody tr:last-child td")[:2]
    viewer.click("#scores tbody tr:last-child td.number button")
    assert viewer.text("volume-text").endswith(volume)
    assert viewer.text("condition-text") == condition
    assert viewer.texts("#scores tr.shown") == viewer.texts("#scores tbody tr:last-child")


def test_a_click_on_a_place_shows_it_in_a_box(viewer):
    errors = [float(text) for text in viewer.texts("#worst td:first-child")]
    assert errors == sorted(errors, reverse=True)
    _, volume, condition, plane, *_ = viewer.texts("#worst tbody tr:nth-child(2) td")
    viewer.click("#worst tbody tr:nth-child(2) button")
    assert viewer.text("volume-text").endswith(volume)
    assert viewer.text("condition-text") == condition
    assert viewer.text("plane-text").startswith(f"{plane} of")
    assert viewer.texts("#cell-error-input i.box") == [""]
    viewer.browser.screenshot("viewer-worst-place")
    viewer.press(Keys.ARROW_RIGHT if plane == "1" else Keys.ARROW_LEFT)
    assert viewer.texts("i.box") == []


def test_a_click_on_a_section_moves_the_row_of_the_other(viewer):
    before = viewer.picture("image-truth-xz")
    click = """
        const canvas = document.getElementById("image-truth-xy");
        const event = new Event("click");
        Object.defineProperty(event, "offsetY", {value: canvas.clientHeight * 0.9});
        canvas.dispatchEvent(event)"""
    viewer.do(click)
    assert viewer.picture("image-truth-xz") != before


# New images


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """The page of two restored stacks with predicted scales, and of one that was not restored."""
    folder = tmp_path_factory.mktemp("quicklooks")
    rows = {"lost": {"remarks": "not restored: no image"}}
    for number, name in enumerate(("first", "second")):
        stack = np.random.default_rng(number).random((9, 60, 80)).astype(np.float32)
        header = Header("ZYX", stack.shape, stack.dtype, (2.0, 0.5, 0.5))
        norm = Normalisation(0.0, 1.0, is_applied=True)
        smooth = gaussian_filter(stack, 1)
        frames = frames_of(header, "ZYX", None, None)
        restored = Restored(stack, smooth, smooth / 9, True, norm, [norm], frames, header)
        row = {"restored": f"{name}.tif", "shape": "9x60x80", "noise": 0.1, "remarks": ""}
        rows[name] = row
        (folder / f"{name}.json").write_text(json.dumps({"row": row, "view": view(restored, name)}))
    write_album_page(ROOT / "workflow/report/viewer.html", rows, folder)
    return folder / "viewer.html"


def test_new_images_are_shown_beside_their_restoration(browser, album):
    viewer = Viewer(browser, album)
    assert viewer.texts(".head b") == ["input", "restoration"]
    names = ("image-input-xy", "image-restoration-xy", "image-input-xz", "scale-restoration-xy")
    before = [viewer.picture(name) for name in names]
    assert len(set(before)) == 4
    assert viewer.text("volume-text") == "first"
    viewer.click("#scores tbody tr:last-child button")
    assert viewer.text("volume-text") == "second"
    assert not set(before) & {viewer.picture(name) for name in names}
    viewer.slide("high", 0.5)
    assert viewer.texts("#scores tbody tr:first-child td")[0] == "lost"
    assert viewer.texts("#scores tbody tr:first-child button") == []
    browser.screenshot("viewer-new-images", whole=True)
    assert browser.said() == []
