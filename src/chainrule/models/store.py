"""A model on disk: `model.safetensors` (weights) and `model.json` (how to build it). Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from chainrule.domain import Domain
from chainrule.domain.measure import reference_measure
from chainrule.errors import RunError
from chainrule.files import atomic_path, read_text, write_text
from chainrule.heads import ColumnHeads
from chainrule.models.base.model import Model
from chainrule.models.registry import create_model
from chainrule.models.sketch import SMALL, TooLarge, check_sizes, sketch
from chainrule.run_files import CARD, WEIGHTS

FORMAT = 1
MOST_BYTES = 2**26  # of a card: names and categories of a wide table are long
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def save_model(model: Model, folder: str | Path, *, version: str) -> None:
    """Write both files into `folder`, each atomically; `version` is the library's."""
    save_card(model, folder, version=version)
    save_weights(model.state_dict(), Path(folder) / WEIGHTS)


def save_card(model: Model, folder: str | Path, *, version: str) -> None:
    """Write how to build the model, without its weights."""
    card = {
        "format": FORMAT,
        "chainrule": version,
        "name": model.name,
        "domain": model.domain.to_json(),
        "hyperparameters": model.hyperparameters,
    }
    if model.domain.columns:
        card["measure"] = reference_measure(model.domain.columns)
    write_text(Path(folder) / CARD, json.dumps(card, indent=2) + "\n")


def save_weights(weights: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Write the weights alone, as a model's `state_dict` has them."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    write_tensors(tensors, path)


def write_tensors(
    tensors: dict[str, torch.Tensor], path: str | Path, metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file atomically.

    Raises:
        ChainruleError: if it cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            safetensors.torch.save_file(tensors, temporary, metadata)
        except SafetensorError as error:  # its word for a full disk, too
            raise OSError(str(error)) from error


def load_model(folder: str | Path, model: Model | None = None) -> Model:
    """Read a model back, in evaluation mode.

    Args:
        folder: a run folder, or any that `save_model` wrote.
        model: takes the weights, where the model is not one of the registry's.

    Raises:
        RunError: if a file is missing, corrupt, of a newer format, or does not fit.
    """
    folder = Path(folder)
    card = read_json(folder / CARD)
    version = card.get("format")
    if not isinstance(version, int):
        raise RunError(f"{folder / CARD}: format: expected an integer, got {version!r}")
    if version > FORMAT:
        raise RunError(
            f"{folder}: written by chainrule {card.get('chainrule')} in format {version}, "
            f"this version reads up to {FORMAT}; upgrade chainrule"
        )
    tensors = read_weights(folder / WEIGHTS)
    if model is None:
        model = _build(card, folder, tensors)
    _fill(model, tensors, folder / WEIGHTS)
    return model.eval()


def _build(card: dict, folder: Path, tensors: dict[str, torch.Tensor]) -> Model:
    """The model of a card, made only once it is seen to have the weights in the file."""
    if card.get("name") is None:
        raise RunError(
            f"{folder}: holds a model that is not in the registry; pass it: load({str(folder)!r}, model=…)"
        )
    weights = sum(tensor.numel() for tensor in tensors.values())
    try:
        domain, hyperparameters = Domain.from_json(card["domain"]), card["hyperparameters"]
        check_sizes(domain, hyperparameters, weights)
        build = partial(create_model, card["name"], domain, **hyperparameters)
        _check_kinds(sketch(build, 4 * weights + SMALL), tensors, folder / WEIGHTS)
        return build()
    except RunError:
        raise
    except TooLarge as error:
        raise RunError(
            f"{folder / CARD}: no model can be built from it: {error}, its file has far fewer weights"
        ) from error
    except KeyError as error:
        raise RunError(f"{folder / CARD}: lacks {error}") from error
    # A ValueError is the library's own word on a name or value; what else a damaged card meets has other types.
    except (ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise RunError(
            f"{folder / CARD}: no model can be built from it: {str(error) or type(error).__name__}"
        ) from error


def load_weights(model: torch.nn.Module, path: str | Path) -> None:
    """Read weights into a model.

    Raises:
        RunError: if the file is missing or corrupt, its tensors are not the model's, or not all finite.
    """
    _fill(model, read_weights(path), path)


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file.

    Raises:
        RunError: if it is missing or corrupt, or in numbers that no model computes with.
    """
    if not Path(path).is_file():
        raise RunError(f"{path}: expected the weights of a model, found no such file")
    try:
        tensors = safetensors.torch.load_file(path)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise RunError(f"{path}: not a readable safetensors file ({error})") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.dtype not in FLOATS:
            known = ", ".join(map(str, FLOATS))
            raise RunError(f"{path}: {name}: expected one of {known}, got {tensor.dtype}; convert it first")
    return tensors


def _fill(model: torch.nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    _check_kinds(model, tensors, path)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            got = tensor.flatten()[~tensor.flatten().isfinite()][0].item()
            raise RunError(
                f"{path}: {name}: expected finite numbers, got {got}; the file is damaged, or training diverged: "
                "lower lr"
            )
    model.load_state_dict(tensors)


def _check_kinds(model: torch.nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Give a model the precision of tensors, and refuse these if they are not its own."""
    floats = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(floats) > 1:  # the maps of number columns are in double precision whatever the model is
        floats.discard(torch.float64)
    if len(floats) == 1:  # the numbers of a model saved in double precision are all kept
        model.to(floats.pop())
    for name, part in model.named_modules():
        if isinstance(part, ColumnHeads):
            part.complete(tensors, f"{name}.")
    own, found = _kinds(model.state_dict()), _kinds(tensors)
    for name in sorted(own | found):
        if own.get(name) != found.get(name):
            raise RunError(
                f"{path}: {name}: expected {own.get(name, 'nothing')}, got {found.get(name, 'nothing')}"
            )


def _kinds(tensors: dict[str, torch.Tensor]) -> dict[str, str]:
    """In words: type and shape."""
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in tensors.items()}


def read_json(path: Path) -> dict:
    """A JSON object from a file of a run.

    Raises:
        RunError: if it is missing or not JSON.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; expected a run folder with {CARD} and {WEIGHTS}")
    try:
        card = json.loads(read_text(path, MOST_BYTES))
    except (ValueError, RecursionError, OSError) as error:
        raise RunError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(card, dict):
        raise RunError(f"{path}: expected a JSON object, got {type(card).__name__}")
    return card
