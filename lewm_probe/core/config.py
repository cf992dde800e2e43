"""Closed, typed configurations: read YAML, refuse unknown keys and wrong types readably."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lewm_probe.core.errors import LONGEST, UsageError
from lewm_probe.core.files import FILE, NOTHING, kind_of

LARGEST = 2**63 - 1
"""Whole numbers beyond it, or below its negative, are of no header: 64 bits do not hold them."""

Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
"""Any whole number of a file."""

Count = Annotated[int, Field(ge=0, le=LARGEST)]
"""Steps, epochs, parameters, trajectories: whatever is counted."""

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""A seed: rows of results hold it in 32 bits."""

LONGEST_NAME = 300
"""Letters of a name that somebody gives: a name of a file has 255 at most."""

Name = Annotated[str, Field(max_length=1000)]
"""What something is called, in a file: a given name with whatever we put around it."""

LONGEST_TEXT = 2**18
"""Letters of any other text; what a data set says of its quantities is the longest."""

LARGEST_YAML = 2**20
"""Bytes; the longest of ours has 11,000. PyYAML takes a second for as many."""


class Config(BaseModel):
    """Base of recipes, suites and headers: frozen, unknown keys are errors, numbers are finite."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, str_max_length=LONGEST_TEXT
    )

    @classmethod
    def current(cls) -> type[Self]:
        """The schema to read with: a wider one where keys depend on what is installed."""
        return cls


C = TypeVar("C", bound=Config)

_PLAIN = {"str", "int", "float", "bool"}
"""As pydantic calls members of a union."""


def load_yaml(path: Path, schema: type[C], kind: str) -> C:
    """Read a YAML file as ``schema``.

    Raises:
        UsageError: not there, not YAML, an unknown key, or a value of the wrong type.
    """
    return parse(read_yaml_file(path, kind), schema, f"{kind} {path}")


def read_yaml_file(path: Path, kind: str) -> Any:
    """Plain data from a YAML file; ``kind`` says what it was to be, for messages.

    Raises:
        UsageError: not there, no ordinary file, too large, or not YAML.
    """
    there = kind_of(Path(path))
    if there == NOTHING:
        raise UsageError(f"There is no {kind} at {path}. Check the path.")
    if there != FILE:
        raise UsageError(
            f"{path} is {there}, but a {kind} was expected there: a YAML file. Check the path."
        )
    if (size := Path(path).stat().st_size) > LARGEST_YAML:
        raise UsageError(
            f"{path} has {size:,} bytes, but a {kind} has under {LARGEST_YAML:,}. It is something "
            "else; check the path."
        )
    try:
        return read_yaml(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date, or digits without end
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else ""
        fresh = ", or copy a fresh one with `lewm-probe recipes cp`" if kind == "recipe" else ""
        raise UsageError(
            f"{path} is not a YAML file that can be read ({type(error).__name__}{where}). "
            f"Fix its syntax{fresh}."
        ) from error


def read_yaml(text: str) -> Any:
    """Plain data from YAML; ``1e-3`` is a number; a key that stands twice and aliases are errors.

    >>> read_yaml("{learning_rate: 1e-3, name: lewm}")
    {'learning_rate': 0.001, 'name': 'lewm'}
    """
    return yaml.load(text, _Loader)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.constructor.ConstructorError(
                None, None, "aliases (*name) can unfold without end; write the value out", mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                break  # PyYAML tells where it is
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes the words that ``_Loader`` would read as numbers."""


for _of_yaml in (_Loader, _Dumper):
    # YAML 1.1, which PyYAML speaks, reads 1e-3 and 1.5e3 as words, for want of a point or a sign.
    _of_yaml.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )


def as_yaml(data: Any) -> str:
    r"""Plain data as YAML that ``read_yaml`` reads back as it was, keys in their order.

    >>> as_yaml({"label": "1e30", "set": {"rate": 1e30}})
    "label: '1e30'\nset:\n  rate: 1.0e+30\n"
    """
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False)
    return text


def parse(raw: Any, schema: type[C], where: str) -> C:
    """Validate plain data as ``schema``; ``where`` names the source in errors.

    Raises:
        UsageError: not a mapping, an unknown or missing key, or a value of the wrong type.
    """
    schema = schema.current()
    if not isinstance(raw, dict):
        raise UsageError(f"{where} must be a mapping of keys to values, not {_type_name(raw)}.")
    if (key := _without_end(raw)) is not None:
        raise UsageError(
            f"{where}: '{key}' is a whole number beyond what 64 bits hold. Fix this value."
        )
    try:
        text = json.dumps(raw)
    except (TypeError, ValueError, RecursionError) as error:  # a date, or a list within itself
        raise UsageError(f"{where} holds a value that is not plain data: {error}.") from error
    try:
        # JSON mode lets YAML lists stand for tuples while numbers stay strictly typed.
        return schema.model_validate_json(text)
    except ValidationError as error:
        errors = error.errors()
        # A misspelt key is both unknown and, if required, missing: the former says more.
        first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
        location = first["loc"]
        if len(location) > 1 and str(location[-1]).removeprefix("constrained-") in _PLAIN:
            location = location[:-1]  # the member of a union, which no file names
        steps = list(_walk(schema, location))
        key = ".".join(name for name, _ in steps)
        context = first.get("ctx", {})
        if first["type"] == "extra_forbidden":
            known = sorted(steps[-1][1].model_fields)
            near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise UsageError(
                f"{where} has an unknown key '{key}'.{hint} Known keys there: {', '.join(known)}."
            ) from error
        if first["type"] == "missing":
            raise UsageError(f"{where} lacks the key '{key}'. Add it.") from error
        if first["type"] == "union_tag_not_found":
            choice = context["discriminator"].strip("'")
            raise UsageError(f"{where} lacks the key '{key}.{choice}'. Add it.") from error
        if first["type"] == "union_tag_invalid":
            choice = context["discriminator"].strip("'")
            raise UsageError(
                f"{where}: '{key}.{choice}' is '{context['tag']}'. "
                f"Choose one of {context['expected_tags']}."
            ) from error
        message = first["msg"].removeprefix("Value error, ")
        problem = f"'{key}' is {_shown(first['input'])}. " if key else ""  # no key: the whole
        raise UsageError(f"{where}: {problem}{message}. Fix this value.") from error


def _without_end(raw: Any) -> str | None:
    """Where plain data holds a whole number of more than 64 bits; None: nowhere."""
    left: list[tuple[str, Any]] = [("", raw)]
    seen: set[int] = set()
    while left:
        key, value = left.pop()
        if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
            return key
        if isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))  # a list may hold itself
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            left += [(f"{key}.{name}" if key else str(name), one) for name, one in inner]
    return None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} …"


def _walk(
    schema: type[BaseModel], location: tuple[int | str, ...]
) -> Iterator[tuple[str, type[BaseModel]]]:
    """The keys along pydantic's location, each with the model it belongs to.

    Pydantic's locations also name the chosen member of a union, which no file does; it is left out.
    """
    model = schema
    members: list[type[BaseModel]] = []
    for part in location:
        chosen = [m for m in members if isinstance(part, str) and _has_tag(m, part)]
        if len(members) > 1 and chosen:
            model, members = chosen[0], []
            continue
        if len(members) == 1 and isinstance(part, str):
            model = members[0]
        yield str(part), model
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            members = list(_models_in(field.annotation))


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _has_tag(model: type[BaseModel], tag: str) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _type_name(value: Any) -> str:
    names = {type(None): "nothing", list: "a list", str: "a string", bool: "true or false"}
    return names.get(type(value), "a number")


def split_name(text: str) -> tuple[str | None, str]:
    """``NAME=VALUE`` as people type it, for a checkpoint or a result: the name and the value.

    The name is None for a value without one; spaces around them do not count.

    >>> split_name("lewm = runs/lewm"), split_name("runs/lewm"), split_name("=runs/lewm")
    (('lewm', 'runs/lewm'), (None, 'runs/lewm'), ('', 'runs/lewm'))
    """
    name, equals, value = text.partition("=")
    return (name.strip(), value.strip()) if equals else (None, text)
