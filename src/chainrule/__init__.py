"""chainrule: deep autoregressive generative models with exact likelihood, p(x) = ∏ p(x_d | x_<d).

Letters for shapes, everywhere: B items, D variables, T sites (what a network emits at once), V variables a site,
K levels, C channels, H and W height and width, P parameters a site, n sites of a prefix.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from chainrule import errors, late
from chainrule._version import __version__

if TYPE_CHECKING:
    from chainrule import sklearn, testing
    from chainrule.coding import compress, decompress
    from chainrule.data import Data, get_data, list_data, load_data
    from chainrule.distribution import as_distribution
    from chainrule.domain import Domain, Ordering
    from chainrule.domain.part import between
    from chainrule.importers import from_pretrained
    from chainrule.models import AutoregressiveModel, create_model, list_models, register_model
    from chainrule.tasks.comparison.compare import compare_tables
    from chainrule.tasks.onnx.export import export
    from chainrule.tasks.predict import predict, predict_proba
    from chainrule.tasks.purify import purify
    from chainrule.tasks.sample_given import sample_given
    from chainrule.tasks.score import score
    from chainrule.tasks.sharing import pack, verify
    from chainrule.training import Run, load
    from chainrule.training.fit import fit
    from chainrule.zoo import list_zoo

__all__ = [
    "AutoregressiveModel",
    "Data",
    "Domain",
    "Ordering",
    "Run",
    "__version__",
    "as_distribution",
    "between",
    "compare_tables",
    "compress",
    "create_model",
    "decompress",
    "errors",
    "export",
    "fit",
    "from_pretrained",
    "get_data",
    "list_data",
    "list_models",
    "list_zoo",
    "load",
    "load_data",
    "pack",
    "predict",
    "predict_proba",
    "purify",
    "register_model",
    "sample_given",
    "score",
    "sklearn",
    "testing",
    "verify",
]

# Imported when first used: the command line shows help and refuses what is not there without torch.
_LAZY = {
    "AutoregressiveModel": "models",
    "Data": "data",
    "Domain": "domain",
    "Ordering": "domain",
    "Run": "training",
    "as_distribution": "distribution",
    "between": "domain.part",
    "compare_tables": "tasks.comparison.compare",
    "compress": "coding",
    "create_model": "models",
    "decompress": "coding",
    "export": "tasks.onnx.export",
    "fit": "training",
    "from_pretrained": "importers",
    "get_data": "data",
    "list_data": "data",
    "list_models": "models",
    "list_zoo": "zoo",
    "load": "training",
    "load_data": "data",
    "pack": "tasks.sharing",
    "predict": "tasks.predict",
    "predict_proba": "tasks.predict",
    "purify": "tasks.purify",
    "register_model": "models",
    "sample_given": "tasks.sample_given",
    "score": "tasks.score",
    "verify": "tasks.sharing",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"chainrule.{_LAZY[name]}"), name)
    if not name.startswith("_") and find_spec(f"chainrule.{name}"):
        return import_module(f"chainrule.{name}")
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _infer_columns(source: Any, kinds: dict[str, str] | None) -> Any:
    from chainrule.data import infer_columns

    return infer_columns(source, kinds)


def _push_to_hub(*arguments: Any, **options: Any) -> str:
    from chainrule.tasks.sharing import push_to_hub

    return push_to_hub(*arguments, **options)


late.infer_columns = _infer_columns
late.push_to_hub = _push_to_hub
