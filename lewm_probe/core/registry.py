"""Named things of one kind: built in, brought along by other packages, or of this process.

What is built in registers exactly as somebody else's package does in its ``pyproject.toml``:

    [project.entry-points."lewm_probe.conditions"]
    gravity_flip = "my_package.gravity:GRAVITY_FLIP"
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from lewm_probe.core.errors import UsageError, UserError, brief, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind; nothing is imported before it is asked for.

    Args:
        group: entry-point group, e.g. ``lewm_probe.conditions``.
        interface: what a thing has to be an instance of; a Protocol has to be checkable at run
            time.
        built_in: name → ``module:object``. Names of this package win over other packages', since
            results under them must mean the same everywhere.
        what: one of them in words, for messages.
        classes: the things are subclasses of ``interface``, not instances.

    >>> from collections import OrderedDict
    >>> found = Registry("lewm_probe.examples", dict, {"env": "os:environ"}, what="example")
    >>> found.register("mine", OrderedDict())
    OrderedDict()
    >>> found.names()
    ('env', 'mine')
    """

    def __init__(
        self,
        group: str,
        interface: type[Any],
        built_in: Mapping[str, str],
        *,
        what: str,
        classes: bool = False,
    ) -> None:
        self.group, self.what = group, what
        self._interface, self._classes = interface, classes
        self._built_in = dict(built_in)
        self._own: dict[str, T] = {}
        self._loaded: dict[tuple[str, str], T] = {}

    def names(self) -> tuple[str, ...]:
        """Known names, sorted; nothing is imported."""
        return tuple(sorted({*self._entries(), *self._own}))

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._entries()

    def get(self, name: str) -> T:
        """The thing of that name, imported and checked.

        Raises:
            UsageError: no such name; the nearest and the list are told.
            UserError: it cannot be imported, or is not of this kind.
        """
        if name in self._own:
            return self._own[name]
        entries = self._entries()
        if name not in entries:
            raise unknown_name(self.what, name, self.names())
        entry = entries[name]
        key = (name, entry.value)
        if key not in self._loaded:
            self._loaded[key] = self._checked(name, entry)
        return self._loaded[key]

    def all(self) -> dict[str, T]:
        """Every thing by name, imported and checked.

        Raises:
            UserError: one of them cannot be imported, or is not of this kind.
        """
        return {name: self.get(name) for name in self.names()}

    def register(self, name: str, thing: T) -> T:
        """Know ``thing`` by ``name`` from now on, in this process; it is returned.

        Raises:
            UsageError: the name belongs to another one.
        """
        if self._own.get(name) is thing:
            return thing
        if name in self:
            raise UsageError(
                f"The name '{name}' belongs to another {self.what} already; results under one name "
                f"must mean the same {self.what}. Give another name."
            )
        self._own[name] = thing
        return thing

    def registered(self) -> dict[str, T]:
        """Those of this process, by name."""
        return dict(self._own)

    def is_built_in(self, name: str) -> bool:
        """Whether a name means the same wherever this package is."""
        return name in self._built_in

    def origin(self, name: str) -> str:
        """The package that brings a name along; empty for what is built in or of this process."""
        if name in self._own or name in self._built_in:
            return ""
        entry = self._entries().get(name)
        if entry is None:
            return ""
        return entry.dist.name if entry.dist is not None else entry.value.partition(":")[0]

    def _entries(self) -> dict[str, EntryPoint]:
        known = {entry.name: entry for entry in _installed(self.group, tuple(sys.path))}
        return known | {n: EntryPoint(n, v, self.group) for n, v in self._built_in.items()}

    def _checked(self, name: str, entry: EntryPoint) -> T:
        title = f"{self.what[:1].upper()}{self.what[1:]} '{name}'"
        try:
            thing = entry.load()
        except UserError:
            raise  # it says itself what is missing
        except (Exception, SystemExit) as error:  # other people's modules may raise anything
            missing = isinstance(error, ImportError | AttributeError)
            raise UserError(
                f"{title} is registered as {entry.value}, which cannot be loaded: "
                f"{error if missing else brief(error)}. "
                + (
                    "Install the missing package with pip: it is among the dependencies of "
                    "lewm-probe."
                    if name in self._built_in
                    else "Install what it needs, or remove the package that registers it."
                )
            ) from error
        fits: Callable[[Any, Any], bool] = _is_subclass if self._classes else isinstance
        if not fits(thing, self._interface):
            kind = "subclass" if self._classes else "instance"
            wanted = f"{self._interface.__module__}.{self._interface.__qualname__}"
            raise UserError(
                f"{title} is registered as {entry.value}, which is not a"
                f"{'n' if kind == 'instance' else ''} {kind} of {wanted}. Fix the package that "
                "registers it."
            )
        found: T = thing
        return found


def names_of(group: str, built_in: Mapping[str, str]) -> tuple[str, ...]:
    """The names that a registry of this group knows before anything is registered in a process.

    Where they are needed before the interface may be imported.
    """
    return tuple(sorted({*built_in, *(e.name for e in _installed(group, tuple(sys.path)))}))


def _is_subclass(thing: Any, interface: type[Any]) -> bool:
    return isinstance(thing, type) and issubclass(thing, interface)


@functools.cache
def _installed(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of a group; looked for once for each ``sys.path``."""
    return tuple(entry_points(group=group))
