"""Models by name: those of the library (`catalogue`), those registered, and those of other installed packages."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any, TypeVar, overload

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, nearest
from chainrule.models.base.model import Model
from chainrule.models.hyperparameters import check_value, parameters_of
from chainrule.plugins import entries, load_entry


@dataclass(frozen=True)
class Entry:
    """A registered model.

    Attributes:
        target: the class, or "package.module:Class", imported when it is used.
        summary: what it is, in a few words.
        fixed: the hyperparameters that its name fixes.
    """

    target: type[Model] | str
    summary: str
    fixed: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> type[Model]:
        """The class."""
        return pkgutil.resolve_name(self.target) if isinstance(self.target, str) else self.target


MODELS: dict[str, Entry] = {}
Target = TypeVar("Target", bound=type[Model] | str)
Class = TypeVar("Class", bound=type[Model])


@overload
def register_model(
    name: str, target: Target, summary: str = "", *, fixed: Mapping[str, Any] | None = None
) -> Target: ...


@overload
def register_model(
    name: str, target: None = None, summary: str = "", *, fixed: Mapping[str, Any] | None = None
) -> Callable[[Class], Class]: ...


def register_model(
    name: str,
    target: type[Model] | str | None = None,
    summary: str = "",
    *,
    fixed: Mapping[str, Any] | None = None,
) -> Any:
    """Make a class of models known by name, to `create_model`, `list_models`, run folders and the command line.

    Args:
        name: in kebab case, such as "gated-pixelcnn".
        target: the class, or "package.module:Class", imported when it is first used. Without it this is a decorator.
        summary: for the list of models; by default the first line of the class's docstring.
        fixed: hyperparameters that the name fixes.

    Returns:
        The target, or a decorator of the class.

    Raises:
        ChainruleError: if the name is taken by another class, or the target is no class of models.

    Example:
        >>> import chainrule as cr
        >>> from chainrule.models.made import MADE
        >>> register_model("plain-made", MADE, "without residual links", fixed={"residual": False})
        <class 'chainrule.models.made.MADE'>
        >>> cr.create_model("plain-made", cr.Domain.binary(3), hidden=[4]).name
        'plain-made'
        >>> MODELS.pop("plain-made").summary
        'without residual links'
    """
    if target is None:
        return lambda cls: register_model(name, cls, summary, fixed=fixed)
    if ":" in name:
        raise ChainruleError(f"register_model: expected a name without a colon, got {name!r}")
    if not isinstance(target, str):
        _check_class(name, target)
        summary = summary or next(iter((target.__doc__ or "").strip().splitlines()), "")
    entry = Entry(target, summary, dict(fixed or {}))
    if name in MODELS and _path(MODELS[name].target) != _path(target):
        raise ChainruleError(
            f"register_model: {name!r} is {_path(MODELS[name].target)} already; choose another"
        )
    MODELS[name] = entry
    return target


def list_models() -> list[str]:
    """The names `create_model` takes."""
    return sorted({*MODELS, *entries("models")})


def create_model(name: str, domain: Domain, **hyperparameters: Any) -> Model:
    """Build a model by name.

    Args:
        name: one of `list_models()`, or "package.module:Class" of a module that is imported already.
        domain: what is modelled.
        **hyperparameters: of that model; see `hyperparameters_of(name)`.

    Raises:
        ChainruleError: on an unknown name or hyperparameter, or a value it cannot take.
        DomainError: if the model cannot serve the domain.

    Example:
        >>> create_model("lstm", Domain.binary(8), width=16).name
        'lstm'
    """
    check_hyperparameters(name, hyperparameters)
    chosen = {**hyperparameters_of(name), **hyperparameters}
    # Lists, as they come back from a file.
    chosen = {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items()}
    entry: Any = model_entry(name)
    try:
        model = entry.model(domain, **chosen, **entry.fixed)
    except ChainruleError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise ChainruleError(
            f"{name}: a hyperparameter has a value it cannot take ({error}); got {chosen}"
        ) from error
    model.name, model.hyperparameters = name, chosen
    return model


def tiny_model(name: str, domain: Domain | None = None, **hyperparameters: Any) -> Model:
    """The smallest instance of a model by name, as `Model.tiny` builds it; arguments are those of `create_model`.

    Example:
        >>> tiny_model("lstm").domain
        Domain('vector:6:2')
    """
    entry = model_entry(name)
    if domain is None:
        domain = entry.model.tiny(**entry.fixed, **hyperparameters).domain
    return create_model(name, domain, **{**entry.model.smallest, **hyperparameters})


def check_hyperparameters(name: str, hyperparameters: Mapping[str, Any]) -> None:
    """Refuse hyperparameters that a model does not have, or of which the type is wrong.

    Raises:
        ChainruleError: on the first; or an unknown name.
    """
    parameters = _parameters(name)
    for key, value in hyperparameters.items():
        if key not in parameters:
            raise ChainruleError(f"{name} has no hyperparameter {key!r}; {nearest(key, parameters)}")
        check_value(parameters[key], value)


def hyperparameters_of(name: str) -> dict:
    """The hyperparameters of a model and their defaults.

    Raises:
        ChainruleError: on an unknown name, with the nearest one; or if a hyperparameter has no default.
    """
    found = {key: parameter.default for key, parameter in _parameters(name).items()}
    for key, default in found.items():
        if default is Parameter.empty:
            raise ChainruleError(f"{name}: {key}: expected a hyperparameter with a default, it has none")
    return found


def model_entry(name: str) -> Entry:
    """What is known of a model by name; one of another installed package is registered when it is first asked for.

    Raises:
        ChainruleError: on an unknown name, with the nearest one.
    """
    if name in MODELS:
        return MODELS[name]
    if ":" in name:
        return _imported(name)
    others = entries("models")
    if name not in others:
        raise ChainruleError(
            f"unknown model {name!r}; {nearest(name, [*MODELS, *others])} "
            "(your own is known once its module is imported; in the shell: --import MODULE)"
        )
    register_model(name, load_entry(others[name]))
    return MODELS[name]


def _parameters(name: str) -> dict[str, Parameter]:
    """The hyperparameters that a name leaves open."""
    entry = model_entry(name)
    return {key: p for key, p in parameters_of(entry.model).items() if key not in entry.fixed}


def _imported(path: str) -> Entry:
    """A class by "package.module:Class", if its module is imported: a run of somebody else must start no code."""
    module, _, attribute = path.partition(":")
    if module not in sys.modules:
        raise ChainruleError(
            f"model {path}: its module is not imported, and reading a run never runs code; "
            f"if you trust it, import {module} first (in the shell: --import {module})"
        )
    found: Any = vars(sys.modules[module]).get(attribute)
    _check_class(path, found)
    return Entry(found, "")


def _check_class(name: str, found: Any) -> None:
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise ChainruleError(f"model {name}: expected a subclass of chainrule.models.Model, got {found!r}")


def _path(target: type[Model] | str) -> str:
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"
