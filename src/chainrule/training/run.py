"""A run folder: everything a trained model needs, and everything needed to repeat it."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule import late
from chainrule.data import Data, Reading, decode
from chainrule.data.carried import FRESH, Carried, with_fresh
from chainrule.data.tokens import Tokens
from chainrule.data.writing import BYTES, Writing, writing_of
from chainrule.domain import Domain
from chainrule.errors import ChainruleError, RunError
from chainrule.files import read_text
from chainrule.models import Model, create_model, load_model
from chainrule.models.store import MOST_BYTES
from chainrule.run_files import CONFIG, METRICS, TOKENIZER, check_run_folder
from chainrule.training.classes import class_codes, label_names
from chainrule.training.folder import read_config
from chainrule.training.recipe import Recipe
from chainrule.training.replacement import settle
from chainrule.training.unasked import check_unasked
from chainrule.where import CONTEXTS, locate

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("epoch", "step", "train_nats", "valid_nats", "valid_bits_per_dim", "lr", "seconds")


@dataclass
class Run:
    """What `fit` returns, and a run folder read back.

    Attributes:
        folder: where it is; None if the run was not kept.
        model: with the best weights, in evaluation mode.
        config: model, hyperparameters, data, training, versions.
        metrics: one row per epoch: epoch, step, train_nats, valid_nats, valid_bits_per_dim, lr, seconds;
            empty for a model estimated in closed form.
        opened_as: what it was opened by; None where that is its folder.
    """

    folder: Path | None
    model: Model
    config: dict
    metrics: list[dict[str, float]]
    opened_as: str | None = None

    @property
    def name(self) -> str:
        """How messages call it: as it was opened, such as zoo:names, or by its folder."""
        return self.opened_as or str(self.folder)

    @property
    def best(self) -> dict[str, float] | None:
        """The row of the lowest validation; None if there is none that is a number."""
        return best_of(self.metrics)

    @property
    def vocabulary(self) -> str | None:
        """The character each level stands for; None unless the model is one of text.

        Raises:
            RunError: if it is not a text.
        """
        characters = self.config.get("vocabulary")
        if not isinstance(characters, str | None):
            raise RunError(f"{self.name}: vocabulary in {CONFIG}: expected characters, got {characters!r}")
        return characters

    @cached_property
    def writing(self) -> Writing | None:
        """What levels stand for: characters, bytes or tokens; None unless the model is one of text.

        Raises:
            RunError: if the tokenizer is missing, or not the one that the model was read with.
        """
        expected = self.config.get("tokenizer")
        if expected is None:
            return writing_of(self.vocabulary)
        if self.folder is None:
            raise RunError(f"tokenizer in {CONFIG}: expected a run in a folder, with {TOKENIZER} beside it")
        tokens = Tokens.read(self.folder / TOKENIZER)
        if tokens.checksum != expected:
            raise RunError(f"{tokens.where}: expected the checksum {expected}, got {tokens.checksum}")
        return tokens

    @property
    def rate(self) -> int | None:
        """The rate of the recordings in Hz; None unless the model is one of recordings.

        Raises:
            RunError: if it is not a rate.
        """
        rate = self.config.get("rate")
        if rate is not None and (type(rate) is not int or rate < 1):
            raise RunError(f"{self.name}: rate in {CONFIG}: expected Hz, an integer ≥ 1, got {rate!r}")
        return rate

    @property
    def labels(self) -> dict[str, list[str]]:
        """Name of each label of the data → the names of its classes; empty where they have no names.

        Raises:
            RunError: if these are not names.
        """
        labels = self.config.get("labels") or {}
        if not isinstance(labels, dict) or not all(isinstance(names, list) for names in labels.values()):
            raise RunError(f"{self.name}: labels in {CONFIG}: expected names of classes, got {labels!r}")
        return labels

    def cond(self, **classes: str | int) -> int | Tensor:
        """The condition of items of these classes, for `sample` and the other verbs.

        Args:
            classes: of each label of the data the name of a class, or its number: `run.cond(digit=7, speaker="theo")`.

        Returns:
            Of one label a number, of several a tensor (k,).

        Raises:
            ConditionError: if the model takes no class, labels are missing or unknown, or a class is.
        """
        chosen = {name: str(value) for name, value in classes.items()}
        return class_codes(self.model.condition, self.labels, chosen, "cond")

    @property
    def reading(self) -> Reading:
        """How new data are read: by the codes of the data that the model was trained on.

        Raises:
            RunError: if the configuration holds something else.
        """
        given = self.config.get("data")
        kept = (
            {k: v for k, v in given.items() if k not in ("source", "checksum")}
            if isinstance(given, dict)
            else {}
        )
        # The columns' kinds and categories are the domain's.
        for name in ("columns", "features", "rate"):
            kept.pop(name, None)
        counts = self.model.condition.counts
        names = label_names(self.model.condition, self.labels)
        # Classes without names go by their numbers.
        classes = {
            name: list(map(str, range(n))) for name, n in zip(names, counts, strict=True)
        } | self.labels
        kept |= {"domain": self.model.domain, "rate": self.rate, "vocabulary": self.vocabulary}
        kept["tokens"] = self.writing if isinstance(self.writing, Tokens) else None
        kept |= {"features": self.features, "classes": classes if counts else None}
        try:
            return Reading.of(kept)
        except ChainruleError as error:
            raise RunError(f"{self.name}: data in {CONFIG}: {error}") from error

    @property
    def carried(self) -> list[Carried]:
        """Columns of the training table that are not modelled, such as ids.

        Raises:
            RunError: if the configuration holds something else.
        """
        try:
            return [Carried(**column) for column in self.config.get("carried") or ()]
        except TypeError as error:
            raise RunError(f"{self.name}: carried in {CONFIG}: expected columns ({error})") from error

    def frame(self, items: Tensor, *, ids: str | None = None, seed: int = 0) -> pd.DataFrame:
        """Drawn rows of a table with their names and values.

        Args:
            items: (N, D), as `model.sample` gives them.
            ids: "fresh" for new cells of the columns that are not modelled, in the order of the training file: numbers
                and texts such as u00012 go on after the largest, UUIDs are random, free text stays empty.
            seed: of UUIDs.

        Raises:
            RunError: if it is no run of a table, or there are no such columns.
        """
        columns = self.model.domain.columns
        if not columns:
            raise RunError(f"{self.name}: expected a run of a table, got one of {self.model.domain}")
        if ids not in (None, FRESH):
            raise RunError(f"ids: expected {FRESH}, got {ids!r}")
        if ids and not self.carried:
            raise RunError(
                f"{self.name}: ids: found no columns that training left out; of a run of before, train it again"
            )
        frame = decode(items, columns)
        return with_fresh(frame, self.carried, torch.Generator().manual_seed(seed)) if ids else frame

    def load_data(self, data_dir: str | Path | None = None, source: str | None = None) -> Data:
        """The data it was trained on, as `load_data` reads them.

        Args:
            data_dir: where named sets lie.
            source: where the data lie now; by default where they lay.

        Raises:
            RunError: if they were made in Python, or are not what they were.
        """
        kept = dict(self.config.get("data") or {})
        recipe = Recipe.read(self.folder / CONFIG) if self.folder else Recipe(self.config["model"], kept)
        if source is not None:
            recipe.data = {**recipe.data, "source": source}
        elif "source" not in recipe.data:
            made = (
                "it was trained elsewhere"
                if "pretrained" in self.config
                else "its data set was made in Python"
            )
            raise RunError(f"{self.name}: {made}; name data with --data")
        else:
            check_unasked(self.name, recipe.data)
        if self.model.domain.columns:
            # The file may have grown since: the codes of its categories are the run's.
            recipe.data = {k: v for k, v in recipe.data.items() if k != "columns"}
            recipe.data["domain"] = self.model.domain
        data = recipe.load_data(data_dir)
        if self.vocabulary is not None and "".join(data.vocabulary or ()) != self.vocabulary:
            raise RunError(
                f"{data.name}: its characters are not those the run was trained on; name data with --data"
            )
        for name, classes in self.labels.items() if self.model.condition.counts else ():
            if data.classes.get(name) != tuple(classes):
                raise RunError(
                    f"{data.name}: its classes of {name} are not those the run was trained on; "
                    "name data with --data"
                )
        return data

    def push_to_hub(self, repo: str, data: Data | None = None, **options: Any) -> str:
        """Upload the run to the Hugging Face hub.

        Args:
            repo: "USER/NAME", or "USER/NAME@BRANCH".
            data: that it was trained on: its test split is measured, for the card.
            **options: private, samples, about, licence; see `chainrule.tasks.sharing.push_to_hub`.

        Returns:
            The address, with the commit: "hf://USER/NAME@COMMIT".
        """
        return late.push_to_hub(self, repo, data, **options)

    @property
    def features(self) -> list[int] | None:
        """(M, hop) of the frames of recordings that the model is conditioned on; None otherwise.

        Raises:
            RunError: if these are not two numbers.
        """
        data = self.config.get("data")
        features = data.get("features") if isinstance(data, dict) and self.model.conditional else None
        whole = isinstance(features, list) and [type(number) for number in features] == [int, int]
        if features is not None and not whole:
            raise RunError(f"{self.name}: features in {CONFIG}: expected two integers, got {features!r}")
        return features

    @classmethod
    def open(cls, run: str | Path, model: Model | None = None) -> Run:
        """Read a run.

        Args:
            run, model: see `load`.

        Raises:
            RunError: if it is missing, incomplete, corrupt, or of a newer version.
        """
        folder = locate(run)
        check_run_folder(folder)
        settle(folder)
        loaded, opened_as = load_model(folder, model), None if folder == Path(run) else str(run)
        read = cls(folder, loaded, read_config(folder), read_metrics(folder / METRICS), opened_as)
        settle(folder)
        # Replaced while it was read?
        return read if read_config(folder) == read.config else cls.open(run, model)

    @classmethod
    def contexts(cls) -> Run:
        """A model that knows nothing of bytes, by which `compress` mixes a file's own contexts alone."""
        model = create_model("uniform", Domain.sequence(128, 256)).eval()
        return cls(None, model, {"vocabulary": "".join(BYTES)}, [], CONTEXTS)


def load(run: str | Path, model: Model | None = None) -> Model:
    """The model of a run, with its best weights, in evaluation mode.

    Args:
        run: a folder, as `fit(out=…)` or `chainrule train` wrote it; a file, as `chainrule pack` did; "zoo:NAME", a
            model that comes with the library; or "hf://USER/NAME" or "hf://USER/NAME@REVISION", one of the hub.
        model: takes the weights, where the run's model is not one of the registry's.

    Raises:
        RunError: if the folder is missing, incomplete, corrupt, or of a newer version.
    """
    folder = locate(run)
    check_run_folder(folder)
    settle(folder)
    return load_model(folder, model)


def best_of(metrics: list[dict[str, float]]) -> dict[str, float] | None:
    """The row of the lowest validation; None if there is none that is a number."""
    finite = [row for row in metrics if math.isfinite(row["valid_nats"])]
    return min(finite, key=lambda row: row["valid_nats"], default=None)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The rows of `metrics.csv`; none if there is no such file.

    Raises:
        RunError: if it holds something else.
    """
    if not path.is_file():
        return []
    try:
        rows = csv.DictReader(io.StringIO(read_text(path, MOST_BYTES), newline=""))
        return [{name: float(row[name]) for name in COLUMNS} for row in rows]
    except KeyError as error:
        raise RunError(f"{path}: expected the columns {', '.join(COLUMNS)}; {error} is missing") from error
    except (ValueError, TypeError, OSError, csv.Error) as error:
        raise RunError(f"{path}: expected rows of numbers ({error})") from error
