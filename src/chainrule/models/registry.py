"""Every model by name. A model that is not here does not exist; one that is here is tested by all the laws."""

from __future__ import annotations

import importlib
import inspect
import math
from dataclasses import dataclass, field
from typing import Any

from chainrule.domain import Domain
from chainrule.errors import ChainruleError, nearest
from chainrule.models.base.model import Model


@dataclass(frozen=True)
class Entry:
    """Where a model is, and the hyperparameters its name fixes."""

    path: str
    summary: str
    fixed: dict = field(default_factory=dict)


MODELS = {
    "uniform": Entry("baselines:Uniform", "every value equally likely"),
    "independent": Entry("baselines:Independent", "p(x) = ∏ p(x_d), counted"),
    "gaussian": Entry("gaussian:MultivariateGaussian", "one normal for all of x, bin-integrated on levels"),
    "count-table": Entry("count_table:CountTable", "p(x_d | the k before it), counted"),
    "chow-liu": Entry("chow_liu:ChowLiuTree", "each variable reads one other: the best tree, counted"),
    "finite-memory": Entry("finite_memory:FiniteMemory", "one shared MLP on the k values before"),
    "fvsbn": Entry("fvsbn:FVSBN", "each variable a logistic regression on those before"),
    "nade": Entry("nade:NADE", "one hidden layer, updated by each variable in turn"),
    "rnade": Entry("rnade:RNADE", "NADE for reals: each conditional a mixture"),
    "deep-nade": Entry("deep_nade:DeepNADE", "one deep net for all orderings, and any subset known"),
    "eonade": Entry("deep_nade:EoNADE", "a DeepNADE along several orderings, mixed"),
    "conv-nade": Entry("conv_nade:ConvNADE", "convolutions for all orderings of an image, any pixels known"),
    "made": Entry("made:MADE", "masked perceptron, residual"),
    "made-ensemble": Entry("made_ensemble:MADEEnsemble", "one MADE under several orderings and masks, mixed"),
    "made-committee": Entry("made_ensemble:MADECommittee", "several MADEs, each of another ordering, mixed"),
    "rnn": Entry("recurrent:RecurrentNet", "recurrent net, tanh cells", {"cell": "rnn"}),
    "lstm": Entry("recurrent:RecurrentNet", "recurrent net, LSTM cells", {"cell": "lstm"}),
    "gru": Entry("recurrent:RecurrentNet", "recurrent net, GRU cells", {"cell": "gru"}),
    "pixelcnn": Entry("pixelcnn:PixelCNN", "masked convolutions of images"),
    "gated-pixelcnn": Entry("gated_pixelcnn:GatedPixelCNN", "two gated stacks, no blind spot"),
    "row-lstm": Entry("pixelrnn:RowPixelRNN", "PixelRNN of LSTMs that run down the rows"),
    "diagonal-lstm": Entry("pixelrnn:DiagonalPixelRNN", "PixelRNN, LSTMs along diagonals", {"both": False}),
    "diagonal-bilstm": Entry("pixelrnn:DiagonalPixelRNN", "the same, from left and right", {"both": True}),
    "spatial-lstm": Entry("spatial_lstm:SpatialLSTMNet", "LSTM in two dimensions, of levels and reals"),
    "pixelcnn-plus-plus": Entry("pixelcnn_plus_plus:PixelCNNPlusPlus", "whole pixels, mixtures of logistics"),
    "pixelcnn-autoencoder": Entry(
        "pixelcnn_autoencoder:PixelCNNAutoencoder",
        "a gated PixelCNN decodes images from codes; no likelihood",
    ),
    "vae": Entry("vae:VAE", "latent numbers, pixels independent given these; a bound"),
    "pixel-vae": Entry("pixel_vae:PixelVAE", "latent numbers, then a shallow PixelCNN; a bound"),
    "vq-vae": Entry("vq_vae:VQVAE", "maps of codes, and any autoregressive model of these; a bound"),
    "multi-scale": Entry("multi_scale:MultiScalePixelCNN", "every s-th pixel first, then those between"),
    "transformer": Entry("transformer:Transformer", "masked self-attention, decoder only"),
    "causal-conv1d": Entry("causal_conv1d:CausalConv1dARM", "stack of causal 1-D convolutions"),
    "tcn": Entry("tcn:TCN", "residual blocks of dilated causal convolutions"),
    "revnet": Entry("revnet:RevNet", "reversible residual blocks of convolutions: memory of one block"),
    "nice": Entry("nice:NICE", "additive couplings: a flow of volume one"),
    "realnvp": Entry("realnvp:RealNVP", "affine couplings, images at several scales: a flow"),
    "maf": Entry("maf:MAF", "a stack of MADEs as a flow, fast densities"),
    "iaf": Entry("maf:IAF", "the same the other way round, fast samples"),
    "wavenet": Entry("wavenet:WaveNet", "gated residual blocks of dilated causal convolutions"),
    "vrnn": Entry("vrnn:VRNN", "recurrent net with a latent variable a step; a bound"),
    "stcn": Entry("stcn:STCN", "TCN with a ladder of latent variables a step; a bound"),
}


def list_models() -> list[str]:
    """The names `create_model` takes."""
    return sorted(MODELS)


def create_model(name: str, domain: Domain, **hyperparameters) -> Model:
    """Build a model by its kebab-case name.

    Args:
        name: one of `list_models()`.
        domain: what is modelled.
        **hyperparameters: of that model; see `hyperparameters(name)`.

    Raises:
        ChainruleError: on an unknown name or hyperparameter, or a value it cannot take.
        DomainError: if the model cannot serve the domain.

    Example:
        >>> create_model("lstm", Domain.binary(8), width=16).name
        'lstm'
    """
    known = hyperparameters_of(name)
    for key, value in hyperparameters.items():
        if key not in known:
            raise ChainruleError(f"{name} has no hyperparameter {key!r}; {nearest(key, known)}")
        _check_type(key, value, _annotation(name, key))
    chosen = {**known, **hyperparameters}
    # Lists, as they come back from a file.
    chosen = {key: list(value) if isinstance(value, tuple) else value for key, value in chosen.items()}
    try:
        model = _class_of(name)(domain, **chosen, **MODELS[name].fixed)
    except ChainruleError:
        raise
    except (TypeError, ValueError, RuntimeError) as error:
        raise ChainruleError(
            f"{name}: a hyperparameter has a value it cannot take ({error}); got {chosen}"
        ) from error
    model.name, model.hyperparameters = name, chosen
    return model


def hyperparameters_of(name: str) -> dict:
    """The hyperparameters of a model and their defaults.

    Raises:
        ChainruleError: on an unknown name, with the nearest one.
    """
    if name not in MODELS:
        raise ChainruleError(f"unknown model {name!r}; {nearest(name, MODELS)}")
    return {p.name: p.default for p in _parameters(name) if p.name not in MODELS[name].fixed}


def _parameters(name: str) -> list[inspect.Parameter]:
    """The parameters of a model's `__init__`, and of the class it is made `of` where it passes the others on."""
    own = list(inspect.signature(_class_of(name).__init__).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in own):
        passed = inspect.signature(_class_of(name).of.__init__).parameters.values()
        own += [p for p in passed if p.name != "ordering"]  # each member has its own
    return [p for p in own if p.kind is p.KEYWORD_ONLY]


KINDS = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "dict": (dict,),
    "list[int]": (list, tuple),
    "None": (type(None),),
    "tuple[int, ...]": (list, tuple),
}


def _annotation(name: str, key: str) -> str:
    """The type of a hyperparameter as its model's file writes it."""
    return next(p.annotation for p in _parameters(name) if p.name == key)


def _check_type(key: str, value: Any, annotation: str) -> None:
    """Refuse what the annotation does not allow, counts below 1, and numbers that are not finite."""
    kinds = [kind for part in annotation.split(" | ") for kind in KINDS[part]]
    if type(value) not in kinds:
        raise ChainruleError(f"{key}: expected {annotation.replace(' | ', ' or ')}, got {value!r}")
    if type(value) is int and "float" not in annotation and value < 1:
        raise ChainruleError(f"{key}: expected an integer ≥ 1, got {value}")
    if type(value) is float and not math.isfinite(value):
        raise ChainruleError(f"{key}: expected a finite number, got {value}")


def _class_of(name: str) -> Any:
    module, attribute = MODELS[name].path.split(":")
    return getattr(importlib.import_module(f"chainrule.models.{module}"), attribute)
