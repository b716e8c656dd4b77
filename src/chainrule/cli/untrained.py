"""A model by name, with the weights that training would start from."""

from __future__ import annotations

from pathlib import Path

from chainrule.cli.opening import open_run
from chainrule.cli.options.showing import UntrainedOptions
from chainrule.cli.output import say
from chainrule.cli.own_code import model_name
from chainrule.cli.parsing import parse_settings
from chainrule.errors import ChainruleError
from chainrule.training import Run


def open_or_build(name: str, given: UntrainedOptions, data_dir: Path | None) -> Run:
    """The run of a name; or the model of that name for the data or domain that are given, untrained.

    Raises:
        ChainruleError: if the model cannot be built, or settings are given without data.
        RunError: if there is no such run.
    """
    from chainrule.data import load_data
    from chainrule.domain import Domain
    from chainrule.models import create_model
    from chainrule.randomness import seeded

    if given.data is None and given.domain is None:
        if given.set_:
            raise ChainruleError(
                "--set: expected --data or --domain beside it, and the name of a model; a run has its own"
            )
        return open_run(name, "cpu")
    if given.data is None:
        domain = Domain.parse(given.domain or "")
    else:
        domain = load_data(given.data, domain=given.domain, data_dir=data_dir).domain
    with seeded(given.seed):
        model = create_model(model_name(name), domain, **parse_settings(given.set_ or [])).eval()
    say(f"{name}: untrained, seed {given.seed}, of {domain}")
    return Run(None, model, {}, [], opened_as=f"{name}, untrained")
