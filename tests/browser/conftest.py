"""A real browser, and the results of a study to look at in it.

Debian's `chromium` and `chromium-driver` are wanted. STUDY_RESULTS names the results of a finished
study; without it the miniature study is run.
"""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "screenshots"
SIZE = (1500, 1100)
PATIENCE = 30  # seconds


class Browser:
    """Chromium, and what tests ask of it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, page, until="return true"):
        """Open a file, and wait until this script returns something true."""
        self.said()
        self.asked_for()
        self.driver.get(page.resolve().as_uri())
        self.wait(until)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, *arguments):
        wait = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05)
        return wait.until(lambda driver: driver.execute_script(script, *arguments))

    def said(self):
        """What the console says since this was asked last: warnings and errors."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]

    def asked_for(self):
        """The addresses that were requested since this was asked last, less embedded data."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        addresses = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        return [address for address in addresses if not address.startswith("data:")]

    def screenshot(self, name, whole=False):
        """Keep what is seen as screenshots/NAME.png; or the whole page."""
        height = self.run("return document.documentElement.scrollHeight") if whole else SIZE[1]
        self.driver.set_window_size(SIZE[0], height + 150 if whole else height)
        SCREENSHOTS.mkdir(exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
        self.driver.set_window_size(*SIZE)


@pytest.fixture(scope="session")
def browser():
    programs = [shutil.which("chromium"), shutil.which("chromedriver")]
    if not all(programs):
        pytest.skip("chromium is not here: install Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location, driver = programs
    options.add_argument("--headless=new")
    options.add_argument("--disable-dev-shm-usage")
    options.add_argument(f"--window-size={SIZE[0]},{SIZE[1]}")
    if os.getuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium starts for root only without it
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield Browser(started)
    started.quit()


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    """The folder of results of a finished study: STUDY_RESULTS, or the miniature study's."""
    if folder := os.environ.get("STUDY_RESULTS"):
        return ROOT / folder
    path = ROOT / "tests/workflow/conftest.py"
    spec = importlib.util.spec_from_file_location("workflow_conftest", path)
    workflow_tests = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(workflow_tests)
    flow = workflow_tests.copy_workflow(tmp_path_factory.mktemp("miniature"))
    config = path.with_name("miniature.yaml")
    flow.run("--cores", "2", "--resources", "gpu=1", "--configfile", config)
    return flow.root / "results"
