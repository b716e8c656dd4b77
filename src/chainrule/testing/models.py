"""`check_model`: every law on every domain a model serves."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable

from chainrule.domain import Domain
from chainrule.domain.tiny import TINY
from chainrule.errors import ChainruleError
from chainrule.models import Model
from chainrule.testing import (
    bounds,
    captured,
    coding,
    contract,
    distribution,
    flows,
    modes,
    native,
    parameters,
    predictive,
    rows,
    temperature,
)
from chainrule.testing.subject import LawNotBinding, LawNotTried, Subject, under

LAWS: dict[str, Callable[[Subject], None]] = {
    law.__name__: law
    for law in (
        distribution.causal,
        distribution.connected,
        distribution.sums_to_one,
        distribution.samples_match,
        distribution.extreme_inputs,
        distribution.conditioned,
        temperature.temperature,
        parameters.parameters_matter,
        bounds.bounds,
        flows.inverts,
        flows.counts_volume,
        modes.step_is_forward,
        modes.prefix_is_steps,
        modes.state_is_a_tree_of_rows,
        modes.gradients_agree,
        modes.reads_nothing_undrawn,
        modes.rollout_scores_itself,
        modes.same_noise_same_sample,
        rows.rows_stand_alone,
        predictive.guessing_ahead_changes_nothing,
        native.native_step_is_forward,
        native.native_steps_are_eager,
        native.portable_step_is_forward,
        captured.captured_steps_are_eager,
        modes.compiles,
        coding.compresses,
        contract.completes,
        contract.one_pass,
        contract.survives_saving,
        contract.overfits,
        contract.refuses_bad_input,
        contract.returns_as_promised,
    )
}


def served_domains(factory: Callable[[Domain], Model]) -> list[Domain]:
    """The tiny domains the factory builds a model for; it refuses others with a ChainruleError."""
    served = []
    for domain in TINY:
        try:
            factory(domain)
        except ChainruleError:
            continue
        served.append(domain)
    return served


def check_model(
    factory: type[Model] | Callable[..., Model],
    *,
    laws: list[str] | None = None,
    domains: list[Domain] | None = None,
) -> dict[str, str]:
    """Prove a model: each law on each tiny domain it serves.

    Args:
        factory: a class of models, whose `tiny` instances are tried, or a function `domain -> model`, on every tiny
            domain that it does not refuse; or a function of no argument, whose model is then tried on its own domain;
            if that is too large to enumerate, some laws are not tried.
        laws: which to try, by name; all of `LAWS` by default.
        domains: on which to try them; by default `served_domains(factory)`, which builds a model of each.

    Returns:
        What became of each law: "holds", or why it does not bind.

    Raises:
        LawViolation: at the first law that does not hold.
        ChainruleError: if the factory serves no tiny domain, or is a model itself.

    Warns:
        UserWarning: if a law could not be tried: the domain is too large to enumerate, or the network has no step
            of its own and samples by replaying its prefix.

    Example:
        >>> from chainrule.models.baselines import Independent
        >>> check_model(Independent, laws=["causal", "sums_to_one"])
        {'causal': 'holds', 'sums_to_one': 'holds'}
    """
    if isinstance(factory, Model):
        raise ChainruleError("check_model: expected a class or a function, got a model; pass `lambda: model`")
    build: Callable[..., Model] = getattr(factory, "tiny", factory)
    if inspect.signature(build).parameters:
        domains = served_domains(build) if domains is None else domains
    else:
        fixed = build
        build, domains = (lambda domain: fixed()), [fixed().domain]
    if not domains:
        raise ChainruleError(f"check_model: the factory serves none of {', '.join(map(str, TINY))}")
    outcome = {}
    for name in LAWS if laws is None else laws:
        reasons: dict[str, type[LawNotBinding]] = {}
        for domain in domains:
            try:
                with under(name):
                    LAWS[name](Subject(build, domain))
            except LawNotBinding as reason:
                reasons[str(reason)] = type(reason)
            else:
                outcome[name] = "holds"
        if name not in outcome:
            outcome[name] = f"does not bind: {'; '.join(sorted(reasons))}"
            if LawNotTried in reasons.values():
                warnings.warn(f"{name} was not tried: {'; '.join(sorted(reasons))}", stacklevel=2)
    return outcome
