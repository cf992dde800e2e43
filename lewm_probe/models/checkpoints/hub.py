"""Names that stand for a place: ``hf://user/repo[@revision]``, addresses, stable-worldmodel's runs.

Hugging Face repositories come through huggingface_hub: its cache, its token, and its offline mode
(``HF_HUB_OFFLINE=1``) hold. Of a repository only ``config.json``, ``*.pt``, ``*.safetensors`` and
our ``lewm_probe.json`` are fetched.

Of a folder at any other address (``s3://bucket/runs/lewm``) the files of a checkpoint or run are
copied to this machine, once.

stable-worldmodel keeps its files below ``$STABLEWM_HOME``, by default ``~/.stable_worldmodel``
(its data/utils.py): ``checkpoints/RUN/`` with ``config.json`` and ``weights.pt`` or
``weights_epoch_N.pt``; ``checkpoints/models--USER--REPO/`` with the two files of a Hugging Face
repository; and, in versions before ``checkpoints/``, ``RUN_object.ckpt`` and ``RUN/`` directly in
the home. ``swm://NAME`` is looked up there, and so is a bare NAME where no such path exists.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lewm_probe.core.addresses.address import Address
from lewm_probe.core.addresses.address import place as address_or_path
from lewm_probe.core.addresses.fetch import fetched
from lewm_probe.core.errors import UserError

FETCHED = ("config.json", "*.pt", "*.safetensors", "lewm_probe.json")
IN_FOLDERS = (*FETCHED, "*.ckpt", "recipe.yaml", "metrics.jsonl")
"""Of a folder at another address, which may be a run of ours."""

_HUB = re.compile(r"hf:/{1,2}(?P<repo>[^/@]+/[^/@]+?)(?:@(?P<revision>.+))?")
_HOME = re.compile(r"swm:/{1,2}(?P<name>.+)")


@dataclass(frozen=True)
class Place:
    """What a name stands for.

    Attributes:
        path: where it is on this machine.
        name: what to call it, if the name says more than the place.
        shown: how results say where it is, where that is not a path that the user typed.
    """

    path: Path
    name: str | None = None
    shown: str | None = None


def resolve_name(path: Path | str) -> Place:
    """The place that a name stands for; a path stands for itself, an address for a copy.

    Raises:
        UserError: a repository that cannot be had, or a name no stable-worldmodel home holds.
    """
    text = str(path)
    if text.startswith("hf:/"):
        match = _HUB.fullmatch(text)
        if match is None:
            raise UserError(
                f"'{text}' names no repository. Write hf://user/repo or hf://user/repo@revision."
            )
        repo = match["repo"]
        snapshot = fetch(repo, match["revision"])
        return Place(snapshot, repo.split("/")[1], f"hf://{repo}@{snapshot.name}")
    if match := _HOME.fullmatch(text):
        found = find_run(match["name"])
        if found is None:
            raise UserError(
                f"There is no run '{match['name']}' in the stable-worldmodel home {home()} (looked "
                "for in it and in its checkpoints folder). Check the name, or set STABLEWM_HOME to "
                "the folder that holds checkpoints/."
            )
        return Place(found, None, f"swm://{match['name']}")
    place = address_or_path(path)
    if isinstance(place, Address):
        return Place(fetched(place, IN_FOLDERS, FETCHED[:1] + FETCHED[-1:]), None, str(place))
    if not place.exists() and not place.is_absolute() and (found := find_run(text)) is not None:
        return Place(found, None, f"swm://{text}")
    return Place(place)


def home() -> Path:
    """The stable-worldmodel home: ``$STABLEWM_HOME``, else ``~/.stable_worldmodel``."""
    return Path(os.environ.get("STABLEWM_HOME") or Path.home() / ".stable_worldmodel")


def find_run(name: str) -> Path | None:
    """A run's folder or file below the home; None where there is none."""
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        return None
    root = home()
    names = [name, f"models--{name.replace('/', '--')}", f"{name}_object.ckpt"]
    places = [folder / n for folder in (root / "checkpoints", root) for n in names]
    # The folder of all runs is itself none of them.
    return next((p for p in places if p.exists() and p != root / "checkpoints"), None)


def fetch(repo: str, revision: str | None = None) -> Path:
    """The local snapshot of a repository, fetched unless it is in the cache.

    Raises:
        UserError: no such repository or revision, no permission, no network and not in the cache.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    at = f" at revision {revision}" if revision else ""
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(FETCHED)))
    except HFValidationError as error:
        raise UserError(
            f"'hf://{repo}' names no repository. Write hf://user/repo or hf://user/repo@revision."
        ) from error
    except GatedRepoError as error:
        raise UserError(
            f"The repository {repo} on Hugging Face is gated. Ask for access on its page, then log "
            "in with `hf auth login`."
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            f"The repository {repo} on Hugging Face has no revision {revision}. Give a branch, tag "
            "or full commit hash that is listed on its page, or leave out @."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"There is no repository {repo} on Hugging Face, or it is private and you are not "
            "logged in. Check the name, or log in with `hf auth login`."
        ) from error
    except LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            why = "offline mode is on (HF_HUB_OFFLINE)"
            way = "Fetch it once without HF_HUB_OFFLINE"
        else:
            why, way = "Hugging Face cannot be reached", "Try again with a network"
        raise UserError(
            f"The repository {repo}{at} is not in the Hugging Face cache, and {why}. {way}, or "
            "give the path of a folder that holds its config.json and weights."
        ) from error
    # The base is the error of whichever HTTP library huggingface_hub uses.
    except (*HfHubHTTPError.__bases__, OSError) as error:  # type: ignore[misc]
        said = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise UserError(
            f"The repository {repo}{at} could not be fetched from Hugging Face ({said}). Try "
            "again, or give the path of a folder that holds its config.json and weights."
        ) from error
