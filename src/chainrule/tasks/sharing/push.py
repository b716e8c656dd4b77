"""A run → a repository of the Hugging Face hub."""

from __future__ import annotations

from chainrule import hub
from chainrule.data import Data
from chainrule.errors import RunError
from chainrule.files import scratch, write_text
from chainrule.models import Model
from chainrule.run_files import ABOUT
from chainrule.tasks.sharing.parts import write_parts
from chainrule.training import Run


def push_to_hub(
    run: Run | Model,
    repo: str,
    data: Data | None = None,
    *,
    private: bool = False,
    samples: int = 1,
    about: str = "",
    licence: str | None = None,
) -> str:
    """Upload a run to the Hugging Face hub, with its numbers and a card; `load("hf://USER/NAME")` loads it.

    Args:
        run: as opened; or a model, of which nothing is known but how it is built.
        repo: "USER/NAME", or "USER/NAME@BRANCH".
        data: that it was trained on; without, there are no numbers.
        private: whether others cannot see a repository that is made.
        samples: see `measure`.
        about, licence: see `card_of`; the licence by the hub's names, such as mit.

    Returns:
        The address, with the commit: "hf://USER/NAME@COMMIT".

    Raises:
        RunError: if the model is not in the registry, or the hub cannot be reached or written.
        MissingExtraError: if huggingface_hub is not installed.
    """
    if isinstance(run, Model):
        if run.name is None:
            raise RunError("push_to_hub: expected a registered model, which others can build")
        run = Run(None, run, {"model": run.name, "hyperparameters": run.hyperparameters}, [])
    address = hub.PREFIX + repo.removeprefix(hub.PREFIX)
    with scratch() as folder:
        numbers = write_parts(run, folder, data, samples=samples, about=about, licence=licence)
        name = hub.split(address)[0].rpartition("/")[2]
        head = hub.card_metadata(name, str(run.model.name), numbers, licence)
        write_text(folder / hub.README, f"{head}\n# {name}\n\n{(folder / ABOUT).read_text(encoding='utf-8')}")
        return hub.push(folder, address, private=private)
