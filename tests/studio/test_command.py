"""`chainrule studio` without Gradio, and with runs that are not there."""

import sys

from chainrule.cli import main


def test_what_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["studio", "zoo:digits"]) == 1
    assert "pip install 'chainrule[studio]'" in capsys.readouterr().err


def test_runs_are_looked_for_first(capsys):
    assert main(["studio", "zoo:digit"]) == 1
    assert "did you mean 'digits'" in capsys.readouterr().err
