"""A model on disk: `model.safetensors` (weights) and `model.json` (how to build it). Nothing is ever unpickled."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from chainrule.domain import Domain
from chainrule.errors import RunError
from chainrule.files import atomic_path, write_text
from chainrule.models.model import AutoregressiveModel
from chainrule.models.registry import create_model

FORMAT = 1
WEIGHTS, CARD = "model.safetensors", "model.json"


def save_model(model: AutoregressiveModel, folder: str | Path, *, version: str) -> None:
    """Write both files into `folder`, each atomically; `version` is the library's."""
    save_card(model, folder, version=version)
    save_weights(model, Path(folder) / WEIGHTS)


def save_card(model: AutoregressiveModel, folder: str | Path, *, version: str) -> None:
    """Write how to build the model, without its weights."""
    card = {
        "format": FORMAT,
        "chainrule": version,
        "name": model.name,
        "domain": model.domain.to_json(),
        "hyperparameters": model.hyperparameters,
    }
    write_text(Path(folder) / CARD, json.dumps(card, indent=2) + "\n")


def save_weights(model: AutoregressiveModel, path: str | Path) -> None:
    """Write the weights alone."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary)


def load_model(folder: str | Path, model: AutoregressiveModel | None = None) -> AutoregressiveModel:
    """Read a model back, in evaluation mode.

    Args:
        folder: a run folder, or any that `save_model` wrote.
        model: takes the weights, where the model is not one of the registry's.

    Raises:
        RunError: if a file is missing, corrupt, of a newer format, or does not fit.
    """
    folder = Path(folder)
    card = read_json(folder / CARD)
    if card.get("format", 0) > FORMAT:
        raise RunError(
            f"{folder}: written by chainrule {card.get('chainrule')} in format {card['format']}, "
            f"this version reads up to {FORMAT}; upgrade chainrule"
        )
    if model is None:
        if card.get("name") is None:
            raise RunError(f"{folder}: holds a model that is not in the registry; pass it: load({str(folder)!r}, model=…)")
        try:
            model = create_model(card["name"], Domain.from_json(card["domain"]), **card["hyperparameters"])
        except KeyError as error:
            raise RunError(f"{folder / CARD}: lacks {error}") from error
    load_weights(model, folder / WEIGHTS)
    return model.eval()


def load_weights(model: torch.nn.Module, path: str | Path) -> None:
    """Read weights into a model.

    Raises:
        RunError: if the file is missing or corrupt, or its tensors are not the model's.
    """
    if not Path(path).is_file():
        raise RunError(f"{path}: expected the weights of a model, found no such file")
    try:
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{path}: not a readable safetensors file ({error})") from error
    own = model.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != found:
        odd = sorted(set(shapes.items()) ^ set(found.items()))[0]
        raise RunError(f"{path}: its tensors are not the model's; first difference at {odd[0]} {odd[1]}")
    model.load_state_dict(tensors)


def read_json(path: Path) -> dict:
    """A JSON object from a file of a run.

    Raises:
        RunError: if it is missing or not JSON.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; expected a run folder with {CARD} and {WEIGHTS}")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(card, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(card).__name__}")
    return card
