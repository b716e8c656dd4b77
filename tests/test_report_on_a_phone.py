"""Report pages in a real browser: nothing stands out to the side, on a phone or a wide screen."""

import shutil

import pytest

import chainrule as cr
from chainrule.report import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="pages are looked at by Playwright's client")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.mark.parametrize(("name", "data"), [("causal-conv1d", "digits"), ("made", "penguins")])
def test_a_report_is_as_wide_as_the_screen(name, data, tmp_path):
    loaded = cr.load_data(data)
    run = cr.fit(cr.create_model(name, loaded.domain), loaded, out=tmp_path, epochs=1)
    path = write_report(run, loaded)
    with playwright.sync_playwright() as client:
        browser = client.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in (390, 1400):
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.goto(path.resolve().as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") == width
        browser.close()
