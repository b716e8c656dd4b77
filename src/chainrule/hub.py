"""Runs on the Hugging Face hub: `hf://USER/NAME`, and `@REVISION` to pin one. Never code, never pickles.

A repository holds the parts of a run under their own names, and the card as README.md. Fetched files are kept in the
cache of huggingface_hub, which serves them again without a network (HF_HUB_OFFLINE=1).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chainrule.errors import RunError, optional_import
from chainrule.portable import NEEDED, PARTS
from chainrule.remarks import wanted

PREFIX = "hf://"
ADDRESS = re.compile(r"hf://(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?")
README = "README.md"


def split(address: str) -> tuple[str, str | None]:
    """The repository and the revision of an address; None for the newest.

    Raises:
        RunError: if it is no address.

    Example:
        >>> split("hf://ada/names@v1")
        ('ada/names', 'v1')
    """
    found = ADDRESS.fullmatch(address)
    if found is None:
        raise RunError(f"{address}: expected {PREFIX}USER/NAME or {PREFIX}USER/NAME@REVISION")
    return found["repo"], found["revision"]


def pull(address: str) -> Path:
    """The folder of a run on the hub, fetched unless it is in the cache already.

    Args:
        address: "hf://USER/NAME@REVISION"; the revision is a branch, a tag or a commit.

    Raises:
        RunError: if there is no such repository or revision, it cannot be reached, or it holds no run.
        MissingExtraError: if huggingface_hub is not installed.
    """
    folder = fetch(address, PARTS)
    if missing := [name for name in NEEDED if not (folder / name).is_file()]:
        raise RunError(f"{address}: holds no run: expected {', '.join(NEEDED)}, found no {missing[0]}")
    return folder


def fetch(address: str, names: Sequence[str]) -> Path:
    """The folder with those files of a repository that have one of these names, or fit a pattern such as "*.json".

    Raises:
        RunError: if there is no such repository or revision, or it cannot be reached.
        MissingExtraError: if huggingface_hub is not installed.
    """
    repo, revision = split(address)
    hub = optional_import("huggingface_hub", "hub")
    with _asking(address):
        if not (sys.stderr.isatty() and wanted()):  # its bars are for people who watch
            optional_import("huggingface_hub.utils", "hub").disable_progress_bars()
        return Path(hub.snapshot_download(repo, revision=revision, allow_patterns=list(names)))


def push(
    folder: Path, address: str, *, private: bool = False, message: str = "Upload a chainrule run"
) -> str:
    """Upload the parts of a run, and its README.md, into a repository, which is made if there is none.

    Args:
        folder: that holds them.
        address: "hf://USER/NAME", with a branch as revision or none.
        private: whether others cannot see a repository that is made.
        message: of the commit.

    Returns:
        The address with the commit as its revision.

    Raises:
        RunError: if the repository cannot be reached or written.
        MissingExtraError: if huggingface_hub is not installed.
    """
    repo, revision = split(address)
    hub = optional_import("huggingface_hub", "hub")
    with _asking(address):
        api = hub.HfApi(library_name="chainrule")
        api.create_repo(repo, private=private, exist_ok=True)
        if revision is not None:
            api.create_branch(repo, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo, folder_path=folder, revision=revision, commit_message=message,
            allow_patterns=[*PARTS, README],
        )  # fmt: skip
    return f"{PREFIX}{repo}@{commit.oid}"


def card_metadata(name: str, model: str, numbers: dict[str, Any] | None, licence: str | None) -> str:
    """The head of a README.md that the hub reads: tags, licence, and the numbers as a model-index.

    Args:
        name: of the repository.
        model: registry name.
        numbers: as `chainrule.tasks.sharing.measure` returns them.
        licence: of the weights, by the hub's names.

    Raises:
        MissingExtraError: if huggingface_hub is not installed.
    """
    hub = optional_import("huggingface_hub", "hub")
    results = []
    for metric, key in (("nats an item", "nats"), ("bits/dim", "bits_per_dim"), ("accuracy", "accuracy")):
        if numbers is not None and numbers.get(key) is not None:
            about = {
                "task_type": "density-estimation",
                "dataset_type": numbers["data"],
                "dataset_name": numbers["data"],
            }
            about |= {"dataset_split": numbers["split"], "metric_type": key, "metric_name": metric}
            results.append(hub.EvalResult(**about, metric_value=numbers[key]))
    tags = ["chainrule", "density-estimation", "autoregressive", model]
    known: dict[str, Any] = {"library_name": "chainrule", "tags": tags, "license": licence}
    if results:
        known |= {"model_name": name, "eval_results": results}
    return f"---\n{hub.ModelCardData(**known).to_yaml()}\n---\n"


@contextmanager
def _asking(address: str) -> Iterator[None]:
    """Turn whatever the client raises into one line that names the address."""
    errors = optional_import("huggingface_hub.errors", "hub")
    try:
        yield
    except errors.RevisionNotFoundError as error:
        raise RunError(f"{address}: no such revision") from error
    except errors.RepositoryNotFoundError as error:
        raise RunError(f"{address}: no such repository, or a private one: hf auth login") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise RunError(
            f"{address}: not in the cache, and the hub cannot be reached; check the network"
        ) from error
    # Of an HTTP library that changes from version to version.
    except (errors.HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise RunError(f"{address}: the hub cannot be asked: {lines[0][:200]}") from error
