from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lewm_probe.models.family import FAMILIES
from lewm_probe.reports.palette import looks_of, palette

families = st.sampled_from(["lewm", "pldm", "dino_wm", "mine", "yours"])
models = st.dictionaries(st.text("abcdef-", min_size=1, max_size=6), families, max_size=6)


@given(models, st.randoms())
def test_looks_do_not_depend_on_order(given: dict[str, str], rng: object) -> None:
    pairs = list(given.items())
    shuffled = sorted(pairs, reverse=True)
    assert looks_of(pairs) == looks_of(shuffled)
    assert list(looks_of(pairs)) == list(looks_of(shuffled))


def test_family_decides_colour_and_variants_stay_apart() -> None:
    looks = looks_of([("pldm", "pldm"), ("lewm-vit", "lewm"), ("lewm", "lewm"), ("x", "mine")])
    assert list(looks) == ["lewm", "lewm-vit", "pldm", "x"]
    for part in ("color", "marker", "dash", "label"):
        assert len({getattr(look, part) for look in looks.values()}) == 4
    assert looks["lewm"] == looks_of([("lewm", "lewm")])["lewm"]


def test_names_of_one_family_keep_apart_beyond_three() -> None:
    looks = looks_of([(f"lewm{'-x' * k}", "lewm") for k in range(27)])
    assert len({(look.color, look.marker, look.dash) for look in looks.values()}) == 27


def test_families_with_colours_of_their_own_keep_apart_in_black_and_white() -> None:
    names = ("sub_jepa", "straightened", "dino_wm-ssl", "dino_wm-random")
    cards = {name: FAMILIES.get(name).card for name in names}
    looks = looks_of([*zip(names, names, strict=True), ("lewm", "lewm")], cards).values()
    assert len({look.marker for look in looks}) == 5
    assert len({look.color for look in looks}) == 5


def test_palette_has_no_colour_twice() -> None:
    assert len(set(palette())) == len(palette())


def test_names_never_share_a_label() -> None:
    alike = ["lewm", "LeWM", "lewm-vit", "lewm_vit", "p$q", "pq", "$", "$$"]
    labels = [look.label for look in looks_of([(name, "lewm") for name in alike]).values()]
    assert sorted(labels) == sorted(alike)
    apart = looks_of([("lewm", "lewm"), ("lewm-vit", "lewm")])
    assert [look.label for look in apart.values()] == ["LeWM", "LeWM ViT"]


@given(st.lists(st.text("lewmLEWM-_ $vit", min_size=1, max_size=9), unique=True, max_size=6))
def test_any_names_keep_labels_of_their_own(names: list[str]) -> None:
    looks = looks_of([(name, "lewm") for name in names])
    assert len({look.label for look in looks.values()}) == len(names)
