from __future__ import annotations

import base64
import io
import re

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lewm_probe.analyses.rollout.report.figure import rollout_plot
from lewm_probe.reports.figures.inline import Inlined, theme_colors
from lewm_probe.reports.figures.style import render, svg_text
from lewm_probe.reports.results_view import views
from lewm_probe.results.result import Result


@pytest.fixture(scope="module")
def svg(small: Result, tmp_path_factory: pytest.TempPathFactory) -> str:
    plot = rollout_plot(views(small)[0])
    assert plot is not None
    return render(plot, tmp_path_factory.mktemp("drawn")).svg["full"]


def names(text: str) -> tuple[list[str], set[str]]:
    """Ids that are given, ids that are used."""
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', text)
    return re.findall(r'\bid="([^"]+)"', text), set(used)


def test_a_figure_is_described_sized_by_the_page_and_follows_the_theme(svg: str) -> None:
    page = Inlined()
    text = page.add(svg, 'A "title" & <more>', themed=True)
    assert text.startswith('<svg role="img" aria-label="A &quot;title&quot; &amp; &lt;more>"')
    assert 'width="' not in text.split(">")[0]
    assert "var(--c0072b2, #0072b2)" in page.css()
    assert "var(--ink, #1c1e21)" in page.css()
    for color in theme_colors().values():
        assert f": {color}" not in text + page.css()
    plain = Inlined()
    plain.add(svg, "A", themed=False)
    assert "var(" not in plain.css()


def test_what_figures_have_alike_stands_in_a_page_once(svg: str) -> None:
    page = Inlined()
    one, other = (page.add(svg, "A", themed=True) for _ in range(2))
    assert one == other
    given, used = names(page.definitions())
    assert used <= set(given) and len(set(given)) == len(given)
    for text in (one, other):
        assert names(text)[0] == [] and names(text)[1] <= set(given)
    alone = Inlined()
    alone.add(svg, "A", themed=True)
    assert alone.definitions() == page.definitions() and alone.css() == page.css()
    assert set(re.findall(r'class="(\w+)"', one)) <= set(re.findall(r"\.(\w+) {", page.css()))


def test_a_figure_takes_less_than_half_of_its_file(svg: str) -> None:
    page = Inlined()
    assert len(page.add(svg, "A", themed=True)) < len(svg) / 2


def test_coordinates_are_those_of_the_file_within_a_twentieth_of_a_point() -> None:
    with mpl.rc_context({"svg.hashsalt": "x"}):
        figure = Figure((3, 2))
        figure.add_axes((0.1, 0.1, 0.8, 0.8)).plot([0, 1 / 3, 1], [0.123456, 0.9, 1 / 7])
        svg = svg_text(figure)

    def path(text: str) -> list[float]:
        """The line of three points."""
        lines = re.findall(r'<path d="M ([^"zC]*)"', text)
        found = [re.findall(r"-?\d+\.?\d*", line) for line in lines]
        (line,) = [numbers for numbers in found if len(numbers) == 6]
        return [float(number) for number in line]

    text = Inlined().add(svg, "A", themed=False)
    assert path(text) == pytest.approx(path(svg), abs=0.0501)
    assert path(text) != path(svg)


def test_pictures_stand_in_a_page_once_with_the_same_pixels() -> None:
    """Wherever they are drawn, whatever their size."""
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    page = Inlined()
    places = []
    for width in (3, 2):
        figure = Figure((width, width))
        figure.add_axes((0.1, 0.1, 0.8, 0.8)).imshow(picture, interpolation="none")
        text = page.add(svg_text(figure), "A", themed=False)
        assert "<image" not in text
        places += re.findall(r'<use href="#(\w+)" transform="matrix\(([\d.]+) ', text)
    (one, large), (other, small) = places
    assert one == other and float(large) > float(small)
    ((name, packed),) = re.findall(
        r'<image id="(\w+)"[^>]* href="data:image/webp;base64,([^"]+)"/>', page.definitions()
    )
    assert name == one
    with Image.open(io.BytesIO(base64.b64decode(packed))) as image:
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture)


def test_dots_look_as_they_were_drawn() -> None:
    """In 256 colours, of some 600 by their places, as maps have them."""
    places = np.random.default_rng(0).random((600, 2))
    shades = np.column_stack([places, np.full(600, 0.5)])
    figure = Figure((3, 3))
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    ax.scatter(*places.T, c=shades, s=7, linewidths=0, rasterized=True)
    svg, page = svg_text(figure), Inlined()
    page.add(svg, "A", themed=False)
    pixels = []
    for of, text in (("png", svg), ("webp", page.definitions())):
        ((packed),) = re.findall(rf'data:image/{of};base64,\s*([^"]+)"', text)
        with Image.open(io.BytesIO(base64.b64decode(packed))) as image:
            white = Image.new("RGBA", image.size, "white")
            pixels.append(np.asarray(Image.alpha_composite(white, image.convert("RGBA")), float))
    wrong = np.abs(pixels[0] - pixels[1])
    assert wrong.mean() < 0.15 * np.abs(pixels[0] - 255).mean()


def test_names_in_comments_are_not_there(svg: str) -> None:
    named = svg.replace("<defs>", '<!-- <path id="a" d="">--><defs>', 1)
    assert "<!--" in svg
    texts = [Inlined().add(text, "A", themed=True) for text in (svg, named)]
    assert texts[0] == texts[1] and "<!--" not in texts[0]
