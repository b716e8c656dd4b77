"""Draw docs/pictures/studio-*.png: each panel of the studio as Chromium shows it.

Usage: python tools/studio_pictures.py [PANEL …]

It needs the extra [studio], Playwright's client and Chromium: pip install playwright; apt-get install chromium.
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from chainrule.studio.app import launch, studio
from chainrule.training import Run

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
WIDTH, COLOURS = 1000, 128
PATIENCE = 240_000  # milliseconds
RUNS = {
    "draw": "zoo:binarized-mnist",
    "watch": "zoo:digits",
    "table": "zoo:table",
    "score": "zoo:names",
    "listen": "zoo:english-bytes",
    "compare": "zoo:fashion",
    "nets": "zoo:digits",
    "train": "zoo:digits",
}
TABS = {"listen": "Listen and read"}


def main() -> None:
    """One picture a panel."""
    address = launch(studio(sorted(set(RUNS.values()))), host="127.0.0.1", port=0, browser=False)
    with sync_playwright() as client:
        browser = client.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for panel in sys.argv[1:] or RUNS:
            page = browser.new_page(viewport={"width": WIDTH, "height": 500})
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            page.locator("#run input").click()
            page.get_by_role("option", name=RUNS[panel], exact=True).click()
            page.wait_for_selector(f"#card >> text={Run.open(RUNS[panel]).model.name}")
            page.get_by_role("tab", name=TABS.get(panel, panel.capitalize()), exact=True).click()
            globals()[panel](page)
            page.mouse.move(0, 0)
            page.wait_for_timeout(1500)
            shot = Image.open(BytesIO(page.screenshot(full_page=True)))
            shot.quantize(COLOURS).save(PICTURES / f"studio-{panel}.png", optimize=True)
            page.close()
        browser.close()


def draw(page: Page) -> None:
    """The upper half of a seven."""
    page.wait_for_selector("#draw-canvas canvas")
    box = page.locator("#draw-canvas canvas").bounding_box()
    assert box is not None
    for number, (x, y) in enumerate([(0.3, 0.22), (0.68, 0.22), (0.55, 0.46)]):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#draw-result img")


def watch(page: Page) -> None:
    """A digit of which half is there, one pixel changed by hand."""
    page.click("#watch-start")
    page.wait_for_function("document.querySelector('#watch-film [data-at]').max > 1")
    seek = "(slider, d) => { slider.value = d; slider.dispatchEvent(new Event('input')); }"
    page.locator("#watch-film [data-at]").evaluate(seek, 20)
    page.locator("#watch-film [data-bars] button").nth(16).click()
    page.wait_for_function("document.querySelector('#watch-film [data-at]').value > 30")
    page.locator("#watch-film [data-at]").evaluate(seek, 43)


def table(page: Page) -> None:
    """A penguin whose species and bill are hidden."""
    page.get_by_label("bill_length_mm").fill("")
    page.get_by_label("species").click()
    page.get_by_role("option", name="hidden").click()
    page.click("#table-start")
    page.wait_for_selector("#table-result img")


def score(page: Page) -> None:
    """Three names, one of them none."""
    page.locator("#score-text textarea").fill("emma\nolivia\nxqzk")
    page.click("#score-start")
    page.wait_for_selector("#score-result img")


def listen(page: Page) -> None:
    """A text."""
    page.locator("#listen-prompt textarea").fill("ROMEO:")
    page.click("#listen-start")
    page.wait_for_function("document.querySelector('#listen-result').innerText.length > 120")


def compare(page: Page) -> None:
    """Two temperatures."""
    page.click("#compare-start")
    page.wait_for_selector("#compare-1 img")


def nets(page: Page) -> None:
    """Both explanations."""
    page.click("#nets-look")
    page.wait_for_selector("#nets-gated-pixelcnn img")
    page.locator("#nets-ordering input[type=number]").fill("3")
    page.keyboard.press("Enter")


def train(page: Page) -> None:
    """Some epochs of a small net."""
    page.click("#train-start")
    page.wait_for_selector("#train-samples img")
    page.wait_for_timeout(25_000)
    page.click("#train-stop")


if __name__ == "__main__":
    main()
