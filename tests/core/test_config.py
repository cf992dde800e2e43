from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from lewm_probe.core.config import (
    Config,
    Count,
    Name,
    Seed,
    Whole,
    load_yaml,
    parse,
    read_yaml,
    split_name,
)
from lewm_probe.core.errors import UsageError


class Inner(Config):
    rate: float = Field(1.0, gt=0)
    sizes: tuple[int, ...] = (1, 2)

    @field_validator("sizes")
    @classmethod
    def _even(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) % 2:
            raise ValueError("The sizes come in pairs")
        return value


class Cat(Config):
    kind: Literal["cat"]
    meows: bool = True


class Dog(Config):
    kind: Literal["dog"]
    barks: bool = True


class Outer(Config):
    name: str
    inner: Inner = Inner()
    listed: tuple[Inner, ...] = ()
    maybe: Inner | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat(kind="cat")

    @model_validator(mode="after")
    def _not_forbidden(self) -> Outer:
        if self.name == "forbidden":
            raise ValueError("This name is forbidden")
        return self


def test_plain_data_becomes_a_frozen_config() -> None:
    config = parse({"name": "a", "inner": {"rate": 2, "sizes": [3, 4]}}, Outer, "x")
    assert config.inner == Inner(rate=2.0, sizes=(3, 4))
    with pytest.raises(ValidationError):
        config.name = "b"


KNOWN = "Known keys there: inner, listed, maybe, name, pet."


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([1], "x must be a mapping of keys to values, not a list."),
        ("a", "x must be a mapping of keys to values, not a string."),
        (None, "x must be a mapping of keys to values, not nothing."),
        (True, "x must be a mapping of keys to values, not true or false."),
        (1.5, "x must be a mapping of keys to values, not a number."),
        ({}, "x lacks the key 'name'. Add it."),
        ({"name": "a", "inne": {}}, f"x has an unknown key 'inne'. Did you mean 'inner'? {KNOWN}"),
        ({"name": "a", "zzz": 1}, f"x has an unknown key 'zzz'. {KNOWN}"),
        (
            {"name": "a", "inner": {"rat": 1}},
            "x has an unknown key 'inner.rat'. Did you mean 'rate'? Known keys there: rate, sizes.",
        ),
        (
            {"name": "a", "listed": [{}, {"zzz": 1}]},
            "x has an unknown key 'listed.1.zzz'. Known keys there: rate, sizes.",
        ),
        (
            {"name": "a", "maybe": {"zzz": 1}},
            "x has an unknown key 'maybe.zzz'. Known keys there: rate, sizes.",
        ),
        (
            {"name": "a", "pet": {"kind": "dog", "bark": True}},
            "x has an unknown key 'pet.bark'. Did you mean 'barks'? Known keys there: barks, kind.",
        ),
        (
            {"name": "a", "pet": {"kind": "cow"}},
            "x: 'pet.kind' is 'cow'. Choose one of 'cat', 'dog'.",
        ),
        ({"name": "a", "pet": {}}, "x lacks the key 'pet.kind'. Add it."),
        ({"name": 1}, "x: 'name' is 1. Input should be a valid string. Fix this value."),
        (
            {"name": "a", "inner": {"rate": "1"}},
            "x: 'inner.rate' is '1'. Input should be a valid number. Fix this value.",
        ),
        (
            {"name": "a", "inner": {"rate": 0}},
            "x: 'inner.rate' is 0. Input should be greater than 0. Fix this value.",
        ),
        (
            {"name": "a", "inner": {"sizes": [1, True]}},
            "x: 'inner.sizes.1' is True. Input should be a valid integer. Fix this value.",
        ),
        (
            {"name": "a", "inner": {"sizes": [1]}},
            "x: 'inner.sizes' is [1]. The sizes come in pairs. Fix this value.",
        ),
        (
            {"name": "a", "inner": 3},
            "x: 'inner' is 3. Input should be an object. Fix this value.",
        ),
        ({"name": "forbidden"}, "x: This name is forbidden. Fix this value."),
        (
            {"name": read_yaml("2020-01-01")},
            "x holds a value that is not plain data: Object of type date is not JSON serializable.",
        ),
    ],
)
def test_bad_data_is_refused_readably(raw: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(raw, Outer, "x")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("-2E+4", -2e4), ("1.5e3", 1.5e3), ("5e", "5e"), ("e5", "e5"), ("12", 12)],
)
def test_scientific_notation_is_a_number(text: str, value: object) -> None:
    read = read_yaml(f"key: {text}")["key"]
    assert read == value
    assert type(read) is type(value)


class Said(Config):
    facts: dict[str, str | int | float] = {}
    seed: Seed = 0
    count: Count = 0
    whole: Whole = 0
    called: Name = ""


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"facts": {"a": float("nan")}}, "'facts.a' is nan. Input should be a valid string"),
        ({"facts": {"a": 10**30}}, "'facts.a' is a whole number beyond what 64 bits hold"),
        ({"facts": {"a": -(2**63)}}, "'facts.a' is a whole number beyond what 64 bits hold"),
        ({"facts": {"a": 10**5000}}, "'facts.a' is a whole number beyond what 64 bits hold"),
        ({"seed": -1}, "'seed' is -1. Input should be greater than or equal to 0"),
        (
            {"seed": 2**31},
            "'seed' is 2147483648. Input should be less than or equal to 2147483647",
        ),
        ({"count": -1}, "'count' is -1. Input should be greater than or equal to 0"),
        ({"whole": 1.5}, "'whole' is 1.5. Input should be a valid integer"),
        (
            {"called": "x" * 1001},
            f"'called' is '{'x' * 299} …. String should have at most 1000 characters",
        ),
    ],
)
def test_numbers_and_names_have_an_end(raw: object, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(raw, Said, "x")
    assert str(caught.value) == f"x: {problem}. Fix this value."
    assert parse({"whole": -5, "seed": 2**31 - 1, "count": 2**63 - 1}, Said, "x").whole == -5


def test_texts_have_an_end() -> None:
    with pytest.raises(UsageError, match=r"String should have at most 262144 characters\. Fix"):
        parse({"facts": {"a": "x" * (2**18 + 1)}}, Said, "x")


def test_what_holds_itself_is_refused() -> None:
    ring: list[object] = []
    ring.append(ring)
    with pytest.raises(UsageError, match="x holds a value that is not plain data"):
        parse({"facts": ring}, Said, "x")


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: λ\ninner: {rate: 1e-3}\n", encoding="utf-8")
    assert load_yaml(path, Outer, "recipe") == Outer(name="λ", inner=Inner(rate=1e-3))


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("nam: a\n")
    with pytest.raises(UsageError) as caught:
        load_yaml(path, Outer, "recipe")
    assert str(caught.value) == (
        f"recipe {path} has an unknown key 'nam'. Did you mean 'name'? {KNOWN}"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"name: [a\n", "ParserError in line 2: expected ',' or ']', but got '<stream end>'"),
        (b"name: a\nname: b\n", "ConstructorError in line 2: the key 'name' stands twice"),
        (b"\xff\xfe\x00", "UnicodeDecodeError"),
    ],
)
def test_a_broken_file_is_one_paragraph(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_yaml(path, Outer, "recipe")
    assert str(caught.value) == (
        f"{path} is not a YAML file that can be read ({why}). "
        "Fix its syntax, or copy a fresh one with `lewm-probe recipes cp`."
    )


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_yaml(tmp_path / "a.yaml", Outer, "recipe")
    assert str(caught.value) == f"There is no recipe at {tmp_path / 'a.yaml'}. Check the path."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: &a [*a]",
            "{path} is not a YAML file that can be read (ConstructorError in line 1: aliases "
            "(*name) can unfold without end; write the value out). Fix its syntax.",
        ),
        (
            "name: " + "[" * 5000,
            "{path} is not a YAML file that can be read (RecursionError). Fix its syntax.",
        ),
        (
            "? [a, b]\n: 1",
            "{path} is not a YAML file that can be read (ConstructorError in line 1: found "
            "unhashable key). Fix its syntax.",
        ),
    ],
)
def test_yaml_that_is_no_plain_tree(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        load_yaml(path, Outer, "gate")
    assert str(error.value) == message.format(path=path)


def test_a_large_value_is_not_repeated_whole() -> None:
    with pytest.raises(UsageError) as error:
        parse({"name": list(range(1000))}, Outer, "x")
    shown = repr(list(range(1000)))[:300]
    assert str(error.value) == (
        f"x: 'name' is {shown} …. Input should be a valid string. Fix this value."
    )


def test_aliases_are_not_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError) as error:
        load_yaml(path, Inner, "suite")
    assert str(error.value) == (
        f"{path} is not a YAML file that can be read (ConstructorError in line 2: aliases (*name) "
        "can unfold without end; write the value out). Fix its syntax."
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=b", ("a", "b")),
        (" a = b ", ("a", "b")),
        ("a=b=c", ("a", "b=c")),  # a path may hold one too
        ("=b", ("", "b")),
        ("a=", ("a", "")),
        ("b", (None, "b")),
        (" b ", (None, " b ")),  # a path as it was typed
    ],
)
def test_names_and_values(text: str, expected: tuple[str | None, str]) -> None:
    assert split_name(text) == expected
