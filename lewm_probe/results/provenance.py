"""Where numbers come from: the command, code, machine and libraries that made them."""

from __future__ import annotations

import functools
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from lewm_probe._version import __version__
from lewm_probe.core.files import content_hash
from lewm_probe.results.result import Result
from lewm_probe.results.schema import Provenance

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "statsmodels", "pandas", "lightning-fabric")
"""Libraries whose version can move a number."""


def provenance(
    command: str,
    *,
    seeds: Mapping[str, int] | None = None,
    fingerprints: Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    wall_seconds: float | None = None,
    notes: Sequence[str] = (),
) -> Provenance:
    """A provenance entry with version, commit, hardware and packages of this process."""
    return Provenance(
        command=command,
        version=__version__,
        commit=commit(),
        hardware=hardware(),
        packages=packages(),
        seeds=dict(seeds or {}),
        fingerprints=dict(fingerprints or {}),
        settings=dict(settings or {}),
        wall_seconds=None if wall_seconds is None else round(wall_seconds, 2),
        notes=list(notes),
    )


def stamped(result: Result, entry: Provenance) -> Result:
    """``result`` with ``entry`` as its provenance; seeds, fingerprints and notes are joined."""
    seeds = {k: v for p in result.provenance for k, v in p.seeds.items()}
    prints = {k: v for p in result.provenance for k, v in p.fingerprints.items()}
    notes = dict.fromkeys(note for p in (*result.provenance, entry) for note in p.notes)
    whole = entry.model_copy(
        update={
            "seeds": seeds | entry.seeds,
            "fingerprints": prints | entry.fingerprints,
            "notes": list(notes),
        }
    )
    return Result([whole], result.models, result.metrics, result.rows, result.images, result.cards)


def command_line(arguments: Sequence[str] | None = None) -> str:
    """The command as typed; paths below the current folder are written relative to it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    here = f"{Path.cwd()}{os.sep}"
    return shlex.join(["lewm-probe", *(word.replace(here, "") for word in words)])


def commit() -> str | None:
    """The git commit of this code, ``+changes`` where files differ; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return None
    return f"{head}+changes" if _git(root, "status", "--porcelain", "lewm_probe") else head


@functools.cache
def code_version() -> str:
    """A hash of all code that can move a number: everything but the command line and reports."""
    root = Path(__file__).parents[1]
    files = sorted(p for p in root.rglob("*.py") if p.relative_to(root).parts[0] not in _UNMOVED)
    return content_hash(*((p.relative_to(root).as_posix(), p.read_bytes()) for p in files))


_UNMOVED = ("cli", "reports")


def packages() -> dict[str, str]:
    """Versions of Python and of the libraries that can move a number."""
    return {"python": platform.python_version()} | _versions()


@functools.cache
def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def hardware() -> str:
    """Processor, cores this process may use, memory, and the GPU if there is one."""
    parts = [_processor(), f"{_cores()} cores"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / 2**30:.0f} GiB")
    torch = sys.modules.get("torch")  # whoever computed with it has imported it
    if torch is not None and torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass  # not Linux: the platform module knows
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git(root: Path, *words: str) -> str | None:
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
