"""The check of the built site finds what it is for; with the packages of the documentation, the site is whole."""

import importlib
import os
import sys
from pathlib import Path

import pytest

from children import child

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
site = importlib.import_module("site_check")

ZENSICAL = (sys.executable, "-m", "zensical")
PAGE = """<html><head><link rel="canonical" href="https://chainrule.example/"><link rel="stylesheet" href="own.css">
<script src="{script}"></script></head><body><h2 id="chainrule.fit">fit</h2><a href="https://arxiv.org">a paper</a>
<img src="{picture}"></body></html>"""


def found(folder, script="own.js", picture="own.png", style=""):
    (folder / "index.html").write_text(PAGE.format(script=script, picture=picture))
    (folder / "own.css").write_text(style)
    for name in ("own.js", "own.png"):
        (folder / name).write_text("")
    return [fault for fault in site.faults(folder) if "the reference lacks" not in fault]


def test_a_site_of_its_own_files_has_no_fault(tmp_path):
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    "address", ["https://cdn.example/x.js", "//cdn.example/x.js", "http://cdn.example/x.js"]
)
def test_what_another_host_is_asked_for_is_found(address, tmp_path):
    assert found(tmp_path, script=address) == [f"index.html: fetches {address}"]
    assert found(tmp_path, style=f"@font-face {{src: url('{address}')}}") == [f"own.css: fetches {address}"]


def test_a_picture_that_is_not_there_is_found(tmp_path):
    assert found(tmp_path, picture="gone.png") == ["index.html: gone.png is not there"]


def test_a_public_name_without_a_place_is_found(tmp_path):
    found(tmp_path)
    missing = [fault for fault in site.faults(tmp_path) if "the reference lacks" in fault]
    assert "the reference lacks create_model" in missing and "the reference lacks fit" not in missing


@pytest.mark.slow
def test_the_site_builds_strict_and_is_whole(monkeypatch):
    for package in ("zensical", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(package)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "src"), str(ROOT / "tools")]))
    with child("build", "--strict", "-f", "mkdocs.yml", program=ZENSICAL, cwd=ROOT) as process:
        said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert list(site.faults(ROOT / "site")) == []
