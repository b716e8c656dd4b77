"""The page in a real browser: each panel is driven at two widths, light and dark, and shows what its function gives."""

import json
import shutil
from contextlib import suppress
from functools import cache

import numpy as np
import pytest
import torch

import chainrule as cr

pytest.importorskip("gradio")
playwright = pytest.importorskip("playwright.sync_api", reason="the page is driven by Playwright's client")
from chainrule.studio import compare, draw, listen, score, table, watch  # noqa: E402
from chainrule.studio.app import launch, studio  # noqa: E402
from chainrule.studio.parts import EACH, class_fields  # noqa: E402
from chainrule.studio.runs import Runs  # noqa: E402

NAMES = ["zoo:digits", "zoo:names", "zoo:table", "zoo:chorales", "zoo:spoken-digits"]
RUNS = Runs(NAMES)
VIEWS = {f"{width}-{scheme}": (width, scheme) for width in (1400, 390) for scheme in ("light", "dark")}
PATIENCE = 180_000  # milliseconds, on a machine that is busy
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def address():
    page = studio(NAMES)
    yield launch(page, host="127.0.0.1", port=0, browser=False)
    page.close()


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as client:
        browser = client.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=VIEWS)
def page(request, address, chromium):
    """One page for all panels; at the end, nothing went wrong, left this machine or stood out to the side."""
    width, scheme = VIEWS[request.param]
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(PATIENCE)
    errors, requests = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto(address)
    page.wait_for_selector("#card")
    yield page
    page.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


def choose(page, run, panel):
    """Another run, and one of its panels."""
    if page.locator("#run input").input_value() != run:
        page.locator("#run input").click()
        page.get_by_role("option", name=run, exact=True).click()
        page.wait_for_selector(f"#card >> text={RUNS.open(run).model.name}")
    page.get_by_role("tab", name=panel, exact=True).click()
    page.get_by_role("tab", name=panel, exact=True, selected=True).wait_for()


def canvas(page):
    """Where one draws, and the side of a pixel of 8 x 8 there, once it is shown."""
    board = page.locator("#draw-canvas canvas")
    board.wait_for()
    return board, board.bounding_box()["width"] / 8


def fits(page):
    """Whether nothing is wider than the page."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def sources(page, selector, but=""):
    """The pictures of a result, once its first one is another than before."""
    page.wait_for_function(
        "([where, but]) => (document.querySelector(`${where} img`)?.src ?? but) !== but", arg=[selector, but]
    )
    return page.locator(f"{selector} img").evaluate_all("all => all.map(image => image.src)")


@cache
def expected_drawing(cell):
    """What the function of the panel gives when one cell of the second row is drawn, and the top half is known."""
    x = torch.zeros(64, dtype=torch.int64)
    x[8 + cell] = 16
    canvas = {"x": x.tolist(), "known": [1] * 32 + [0] * 32}
    return draw.complete(RUNS.open("zoo:digits"), canvas, 8, 1.0, 0, EACH)[0]


def test_a_dot_is_drawn_and_completed(page):
    choose(page, "zoo:digits", "Draw")
    board, size = canvas(page)
    board.click(position={"x": 3.5 * size, "y": 1.5 * size})
    (source,) = sources(page, "#draw-result")
    assert source in expected_drawing(3)
    page.locator("#draw-canvas [data-clear]").click()
    (empty,) = sources(page, "#draw-result", but=source)
    assert empty != source
    assert fits(page)


def test_a_line_below_the_edge_moves_it(page):
    choose(page, "zoo:digits", "Draw")
    board, size = canvas(page)
    board.click(position={"x": 3.5 * size, "y": 5.5 * size})
    assert page.locator("#draw-canvas [data-edge]").input_value() == "6"
    page.locator("#draw-canvas [data-clear]").click()
    assert page.locator("#draw-canvas [data-edge]").input_value() == "4"


def seek(page, d):
    """Stop the player before a variable."""
    slider = page.locator("#watch-film [data-at]")
    slider.evaluate("(slider, d) => { slider.value = d; slider.dispatchEvent(new Event('input')); }", d)
    return page.locator("#watch-film [data-about]").inner_text()


def test_an_item_is_watched_and_changed(page):
    choose(page, "zoo:digits", "Watch")
    page.click("#watch-start")
    page.wait_for_function("document.querySelector('#watch-film [data-at]').max > 1")
    run = RUNS.open("zoo:digits")
    film = watch.drawn(run, 1.0, 0, "0")
    d, level = 20, (film["values"][20] + 8) % 17
    assert seek(page, d).startswith(f"variable {d + 1} of 64: p({film['values'][d]} | those before)")
    page.locator("#watch-film [data-bars] button").nth(level).click()
    asked = {"values": film["values"], "d": d, "level": level}
    after = watch.changed(run, asked, 1.0, 0, "0")["values"]
    last = next(k for k in reversed(range(64)) if after[k] != film["values"][k])
    assert last > d
    page.wait_for_function(f"document.querySelector('#watch-film [data-at]').value > {d}")
    assert f"p({after[last]} | those before)" in seek(page, last)
    assert f"p({after[0]} | those before)" in seek(page, 0)
    assert fits(page)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_can_be_changed(page, name):
    choose(page, name, "Score")
    for tab in page.get_by_role("tab").all():
        tab.click()
        shown = page.locator("input:visible, textarea:visible")
        shown.first.wait_for()
        assert (
            shown.evaluate_all("all => all.filter(field => field.disabled).map(field => field.ariaLabel)")
            == []
        )
    assert fits(page)


@pytest.mark.parametrize("name", ["zoo:chorales", "zoo:spoken-digits"])
def test_music_and_speech_are_watched(page, name):
    choose(page, name, "Watch")
    page.locator("#watch-temperature input[type=number]").fill("0.5")
    page.locator("#watch-temperature input[type=number]").press("Tab")
    page.click("#watch-start")
    page.wait_for_function("document.querySelector('#watch-film [data-at]').max > 1")
    run = RUNS.open(name)
    classes = [field.value for field in class_fields(run)]
    values = watched(name, *classes)
    size = run.model.domain.size
    for d in (size // 3, size // 2):
        assert seek(page, d).startswith(f"variable {d + 1:} of {size}: p({values[d]} | those before)")
    board = page.locator("#watch-film canvas").bounding_box()
    assert board["width"] <= page.viewport_size["width"]
    assert fits(page)


@cache
def watched(name, *classes):
    return watch.drawn(RUNS.open(name), 0.5, 0, *classes)["values"]


def test_two_temperatures_are_compared(page):
    choose(page, "zoo:digits", "Compare")
    page.click("#compare-start")
    found = sources(page, "#compare-0") + sources(page, "#compare-1")
    expected = compare.both(RUNS.open("zoo:digits"), RUNS, "zoo:digits", 1.0, "zoo:digits", 0.7, 0, "0")
    assert all(source in html for source, html in zip(found, expected, strict=True))
    assert fits(page)


def give(page, path):
    """Drop a file, again where the field did not listen yet, until it is listed in the place of the field."""
    field = page.locator("#score-file input[type=file]")
    listed = page.locator("#score-file").get_by_label(path.name)
    for _ in range(PATIENCE // 6000):
        with suppress(playwright.TimeoutError):
            if field.count():
                field.set_input_files(path, timeout=6000)
            return listed.wait_for(timeout=6000)
    raise AssertionError(f"{path.name} was not taken")


def test_a_file_is_scored(page, tmp_path):
    choose(page, "zoo:digits", "Score")
    np.save(tmp_path / "digits.npy", cr.load_data("digits").test[:3].numpy())
    give(page, tmp_path / "digits.npy")
    page.click("#score-start")
    found = sources(page, "#score-result")
    expected = score.scored(RUNS.open("zoo:digits"), RUNS, "", str(tmp_path / "digits.npy"), "0")
    assert len(found) == 2  # among held-out items, and where the bits are
    assert all(source in expected for source in found)
    assert fits(page)


def test_an_error_is_a_message(page):
    choose(page, "zoo:names", "Score")
    assert page.locator("#score-result").inner_text() == ""  # nothing is left of the last run
    page.click("#score-start")
    page.get_by_text("score: expected a file").first.wait_for()


def test_a_name_is_read(page):
    choose(page, "zoo:names", "Listen and read")
    page.locator("#listen-prompt textarea").fill("an")
    page.click("#listen-start")
    *_, expected = listen.read(RUNS.open("zoo:names"), 16, 1.0, 0, "an")
    page.wait_for_function(
        "html => document.querySelector('#listen-result pre')?.outerHTML === html", arg=expected
    )
    assert fits(page)


def test_hidden_cells_of_a_row_are_drawn(page):
    choose(page, "zoo:table", "Table")
    page.get_by_label("bill_length_mm").fill("")
    page.click("#table-start")
    (source,) = sources(page, "#table-result")
    cells = table.row_as_text(RUNS.open("zoo:table"), 0)
    cells[2] = ""
    assert source in table.completed(RUNS.open("zoo:table"), 0, *cells)
    assert fits(page)


@pytest.mark.slow
def test_a_net_is_trained(page):
    choose(page, "zoo:digits", "Train")
    page.locator("#train-model input").click()
    page.get_by_role("option", name="causal-conv1d", exact=True).click()
    page.click("#train-start")
    sources(page, "#train-curve")
    sources(page, "#train-samples")
    assert fits(page)
    page.click("#train-stop")


def test_untrained_nets_are_looked_at(page):
    choose(page, "zoo:table", "Nets")
    page.click("#nets-look")
    sources(page, "#nets-pixelcnn")
    sources(page, "#nets-gated-pixelcnn")
    assert fits(page)


def test_two_users_do_not_mix(page, address, chromium):
    """What one draws stays on his page, and completes as if he were alone."""
    choose(page, "zoo:digits", "Draw")
    other = chromium.new_page(viewport={"width": 800, "height": 900})
    other.set_default_timeout(PATIENCE)
    other.goto(address)
    boards = [canvas(user) for user in (page, other)]
    before = page.locator("#draw-result img").evaluate_all("all => all.map(image => image.src)")
    for cell, (board, size) in zip((2, 5), boards, strict=True):
        board.click(position={"x": (cell + 0.5) * size, "y": 1.5 * size})
    (first,), (second,) = sources(page, "#draw-result", *before), sources(other, "#draw-result")
    assert first in expected_drawing(2)
    assert second in expected_drawing(5)
    other.close()


def test_no_file_of_this_machine_is_served(page, address):
    for path in ("/etc/passwd", __file__):
        answer = page.request.get(f"{address}gradio_api/file={path}")
        assert answer.status == 403, json.dumps([path, answer.status])
