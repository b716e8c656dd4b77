"""One file per family, reading like its paper; `registry` lists them by name."""

from chainrule.errors import ApproximateCompletionWarning
from chainrule.models import catalogue as _catalogue  # noqa: F401 - registers the library's own models
from chainrule.models.base.autoencoder import Autoencoder
from chainrule.models.base.autoregressive import AutoregressiveModel
from chainrule.models.base.capabilities import (
    Bounded,
    ClosedForm,
    Completes,
    Exact,
    Factorises,
    Latent,
    Marginalises,
    Reconstructs,
    Samples,
    Sequential,
)
from chainrule.models.base.gaussian_latent import GaussianLatent
from chainrule.models.base.model import Model
from chainrule.models.base.streaming import Streams
from chainrule.models.registry import (
    MODELS,
    check_hyperparameters,
    create_model,
    hyperparameters_of,
    list_models,
    model_entry,
    register_model,
    tiny_model,
)
from chainrule.models.store import load_model, save_model

__all__ = [
    "MODELS",
    "ApproximateCompletionWarning",
    "Autoencoder",
    "AutoregressiveModel",
    "Bounded",
    "ClosedForm",
    "Completes",
    "Exact",
    "Factorises",
    "GaussianLatent",
    "Latent",
    "Marginalises",
    "Model",
    "Reconstructs",
    "Samples",
    "Sequential",
    "Streams",
    "check_hyperparameters",
    "create_model",
    "hyperparameters_of",
    "list_models",
    "load_model",
    "model_entry",
    "register_model",
    "save_model",
    "tiny_model",
]
