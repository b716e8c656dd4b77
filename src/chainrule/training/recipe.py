"""A recipe: all that is needed to train a model again, in one YAML file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

import yaml

from chainrule.data import Data, Reading, load_data
from chainrule.errors import ChainruleError, DomainError, nearest
from chainrule.models import Model, check_hyperparameters, create_model
from chainrule.models.choose import choose_models
from chainrule.randomness import seeded
from chainrule.training.config import TrainingConfig
from chainrule.training.needs import checked
from chainrule.training.yaml_text import read_yaml

# What a recipe and the `config.yaml` of a run may hold; the latter also says what was used and found.
KEYS = ("model", "data", "hyperparameters", "training", "published")
OF_A_RUN = ("chainrule", "torch", "domain", "vocabulary", "rate", "labels", "carried", "start", "tokenizer",
            "pretrained")  # fmt: skip
AUTO = "auto"  # stands for the model that suits the data
DATA = ("source", "checksum", *(field.name for field in fields(Reading)))


@dataclass
class Recipe:
    """Which model, on which data, trained how.

    Attributes:
        model: its registry name.
        data: the source and the options of `load_data`.
        hyperparameters: over the model's defaults.
        training: over its training defaults; see `TrainingConfig`.
        published: {"valid_nats" or "test_nats": value, "source": where it was read}; empty if there is none.
        samples: of a model that knows a bound only, draws of what is latent in each item, when it is evaluated.
        folds: whether `reproduce` trains on ten folds, each standardised, instead of the data's own splits.
        of: names of recipes of the same table, whose runs `reproduce` puts together as an ensemble.
    """

    model: str
    data: dict = field(default_factory=dict)
    hyperparameters: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    published: dict = field(default_factory=dict)
    samples: int = 1
    folds: bool = False
    of: list = field(default_factory=list)

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read a recipe, or the `config.yaml` of a run.

        Raises:
            ChainruleError: if the file is missing, not YAML, or holds something else.
        """
        path = Path(path)
        try:
            content = read_yaml(path)
        except FileNotFoundError:
            raise ChainruleError(f"{path}: no such recipe") from None
        except (OSError, yaml.YAMLError) as error:
            raise ChainruleError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from error
        if not isinstance(content, dict) or not isinstance(content.get("model"), str):
            raise ChainruleError(f"{path}: expected a mapping with the name of a model under 'model'")
        for key, value in content.items():
            if key not in (*KEYS, *OF_A_RUN, "samples", "folds", "of"):
                raise ChainruleError(f"{path}: unknown entry {key!r}; {nearest(str(key), KEYS)}")
            if key == "folds" and not isinstance(value, bool):
                raise ChainruleError(f"{path}: folds: expected true or false, got {value!r}")
            if key == "of" and not (isinstance(value, list) and all(isinstance(name, str) for name in value)):
                raise ChainruleError(f"{path}: of: expected names of recipes, got {value!r}")
            if key == "samples" and (type(value) is not int or value < 1):
                raise ChainruleError(f"{path}: samples: expected an integer ≥ 1, got {value!r}")
            if key in KEYS[1:] and not isinstance(value, dict):
                raise ChainruleError(f"{path}: {key}: expected a mapping, got {value!r}")
        return cls(**{key: content[key] for key in (*KEYS, "samples", "folds", "of") if key in content})

    def load_data(self, data_dir: str | Path | None = None) -> Data:
        """The data set.

        Raises:
            ChainruleError: if the recipe names none, or it cannot be loaded.
        """
        # What is wrong is said before any data is read.
        if self.model != AUTO:
            check_hyperparameters(self.model, self.hyperparameters)
        unknown = [key for key in self.data if key not in DATA]
        if unknown or not isinstance(self.data.get("source"), str):
            raise ChainruleError(f"data: expected source, and perhaps domain and seed, got {self.data}")
        return load_data(**self.data, data_dir=data_dir)

    def build(self, data: Data) -> Model:
        """The model, its initial weights drawn from the recipe's seed.

        Raises:
            ChainruleError: if it puts several together, cannot be built, or what training keeps of its weights does not
                fit into memory.
            DomainError: if it cannot serve the data, with the names of models that can.
        """
        if self.of:
            raise ChainruleError(
                "of: expected a recipe of one model; `chainrule reproduce` puts several together"
            )
        seed = TrainingConfig.of({}, {k: v for k, v in self.training.items() if k == "seed"}).seed
        make = partial(create_model, self.model, data.domain, **self.hyperparameters)
        try:
            with seeded(seed):
                return checked(make, self.model, data.domain, len(data.train))
        except DomainError as error:
            if str(data.domain) not in str(error):  # it is a hyperparameter's
                raise
            name = "" if str(error).startswith(self.model) else f"{self.model}: "
            others = ", ".join(choice.name for choice in choose_models(data.domain, len(data.train)))
            raise DomainError(f"{name}{error}; models that fit: {others}") from error
