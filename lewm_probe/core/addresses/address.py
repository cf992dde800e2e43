"""An address as a path: shown, joined and asked for like one, reached through fsspec.

Code that takes a path takes an address too, as long as it opens nothing by itself: ``place`` makes
either from what a user typed, ``ranges`` opens a file, ``stored`` lists what is there.

>>> place("s3://bucket/runs") / "data.h5", place("runs") / "data.h5"
(Address('s3://bucket/runs/data.h5'), PosixPath('runs/data.h5'))
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PosixPath
from typing import Any

from lewm_probe.core.errors import UsageError, UserError, brief

_ADDRESS = re.compile(r"(?P<protocol>[a-z][a-z0-9+]+):/{1,2}(?P<rest>[^/].*)", re.DOTALL)
"""One slash or two: paths keep one."""

EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Which of our extras brings the package that a protocol needs."""


class Address(PosixPath):
    """A place such as ``s3://bucket/data.h5`` or ``hf://datasets/user/repo/data.h5``."""

    def __str__(self) -> str:
        # What is relative to an address is an ordinary relative path.
        return re.sub(r"^([a-z0-9+]+):/", r"\1://", super().__str__(), count=1)

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def exists(self, **_: Any) -> bool:
        """Whether something is there.

        Raises:
            UserError: it cannot be told, for want of a package, a permission or a network.
        """
        with reaching(self) as (store, path):
            return bool(store.exists(path))

    def is_file(self) -> bool:
        """Whether a file is there; errors as ``exists``."""
        with reaching(self) as (store, path):
            return bool(store.isfile(path))

    def is_dir(self) -> bool:
        """Whether a folder is there; errors as ``exists``."""
        with reaching(self) as (store, path):
            return bool(store.isdir(path))

    def is_symlink(self) -> bool:
        """Never: stores have none."""
        return False


def place(path: Path | str) -> Path:
    """What a user typed, as an address if it is one, else as a path."""
    if isinstance(path, Address):
        return path
    found = _ADDRESS.fullmatch(str(path))
    if found is None:
        return Path(path)
    return Address(f"{found['protocol']}:/{found['rest']}")


def writable(path: Path | str, option: str | None = "--out") -> Path:
    """The path again, if it is one: addresses are only read. ``option`` is what a user says it by.

    Raises:
        UsageError: it is an address.
    """
    if isinstance(found := place(path), Address):
        raise UsageError(
            f"{found} cannot be written: addresses are only read. Give a path"
            f"{f' with {option}' if option else ''}, and copy what comes out of it."
        )
    return found


@contextmanager
def reaching(address: Address) -> Iterator[tuple[Any, str]]:
    """The store of an address (``fsspec.AbstractFileSystem``) and the path in it, to be asked.

    Raises:
        UserError: no such protocol, a package for it is missing, or the store does not answer as
            it should.
    """
    import fsspec

    protocol = str(address).partition(":")[0]
    try:
        yield fsspec.core.url_to_fs(str(address))
    except UserError:
        raise
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        how = f"Install it with `pip install 'lewm-probe[{extra}]'`" if extra else brief(error)
        raise UserError(
            f"{address} is read by a package that is not installed. {how}, or copy what is there "
            "to this machine."
        ) from error
    except Exception as error:
        if isinstance(error, ValueError) and "Protocol not known" in str(error):
            raise UserError(
                f"{address} is no address that can be read: no store is called {protocol}://. Give "
                "one such as s3://bucket/data.h5 or hf://datasets/user/repo/data.h5, or a path."
            ) from error
        # Each store has errors of its own: no credentials, no such host, forbidden.
        raise UserError(
            f"{address} cannot be reached ({brief(error)}). Check the address, your credentials "
            "and the network, or copy what is there to this machine."
        ) from error


@dataclass(frozen=True)
class Stored:
    """A file.

    Attributes:
        path: of it.
        size: bytes.
        version: differs when the bytes may have changed.
    """

    path: Path
    size: int
    version: str


def stored(path: Path) -> list[Stored]:
    """The file at a place, or all files and links below a folder, by name; no link is followed.

    Raises:
        UserError: an address that cannot be reached.
    """
    if isinstance(path, Address):
        with reaching(path) as (store, inside):
            found = store.find(inside, withdirs=False, detail=True)
        names = {name: name.removeprefix(inside).lstrip("/") for name in found}
        return [
            Stored(path / names[name] if names[name] else path, int(facts["size"]), _version(facts))
            for name, facts in sorted(found.items())
        ]
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    facts = [(file, file.lstat()) for file in files]
    return [
        Stored(file, fact.st_size, str(fact.st_mtime_ns))
        for file, fact in facts
        if stat.S_ISREG(fact.st_mode) or stat.S_ISLNK(fact.st_mode)
    ]


def _version(facts: dict[str, Any]) -> str:
    """Of what a store says of a file; times of looking are not among it."""
    return sha256(repr(sorted((k, str(v)) for k, v in facts.items())).encode()).hexdigest()[:16]
