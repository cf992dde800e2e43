"""SVGs inside a page: small, with ids of their own, following the page's dark scheme.

Matplotlib writes every glyph, marker, picture and clipping frame into each figure, and its style
beside every mark. A page of many checkpoints holds them once, and rasters as WebP; the files beside
it are as they were drawn.
"""

from __future__ import annotations

import base64
import io
import re

from PIL import Image

from lewm_probe.reports.palette import FAINT, INK, MUTED, PAPER, palette

_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_NOT_SEEN = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')
_SPACE = re.compile(r"\s*\n\s*")
_NUMBER = re.compile(r"(?<![\w#.])-?\d+\.\d{2,}(?![\w.])")
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(href="#|url\(#)([^")]+)')
_STYLE = re.compile(r' style="([^"]*)"')
_DEFS = re.compile(r"<defs>(.*?)</defs>")
_DEFINED = re.compile(
    r'<(?P<of>path|clipPath|pattern) id="(?P<id>[^"]+)"(?P<rest>[^>]*/>|[^>]*>.*?</(?P=of)>)'
)
_IMAGE = re.compile(r'<image href="data:image/png;base64,\s*([^"]*)"([^>]*)/>')
_PLACED = re.compile(r' (?:transform|x|y)="[^"]*"')
_DATA = re.compile(r"(picture|dots)=([\w+/=]+)/>")
_TAG = re.compile(r"<\w+")
_ALIGNED = re.compile(r'(<use [^>]*)transform="translate\((\S+) 0\)"')
_DOT = re.compile(r'<path d="M \S+ \S+ "[^>]*/>')
_WORDS = re.compile(r'(?:<use href="#d\d+"(?: x="[^"]*")?/>){2,}')
_ALONE = re.compile(r"<g>(<(?:path|use)[^>]*/>)</g>")
_BARE = re.compile(r"<g(?: [^>]*)?/>|<g(?: [^>]*)?></g>|<defs></defs>")


class Inlined:
    """The figures of one page, and what they share."""

    def __init__(self) -> None:
        self._defined: dict[str, str] = {}
        self._classes: dict[str, str] = {}

    def add(self, svg: str, label: str, *, themed: bool) -> str:
        """An SVG of ``style.svg_text`` to stand inside the page, sized by it, described by label.

        ``themed`` turns the style's colours into CSS variables, so that the page's dark scheme can
        turn them.
        """
        text = _SPACE.sub(" ", _NOT_SEEN.sub("", _HEAD.sub("", svg, count=1)))
        text = text.replace("> <", "><").replace('" />', '"/>').replace("xlink:href", "href")
        text = _SIZE.sub("", text, count=2)
        text = _NUMBER.sub(_rounded, text)
        if themed:
            for name, color in theme_colors().items():
                text = text.replace(f": {color}", f": var(--{name}, {color})")
        used = {name for _, name in _USED.findall(text)}
        text = _ID.sub(lambda found: found[0] if found[1] in used else "", text)
        shared: dict[str, str] = {}
        text = _DEFS.sub(lambda found: f"<defs>{self._take(found[1], shared)}</defs>", text)
        text = _USED.sub(lambda found: f"{found[1]}{shared.get(found[2], found[2])}", text)
        text = _STYLE.sub(self._class, text)
        text = _IMAGE.sub(self._image, text)
        text = _ALIGNED.sub(r'\1x="\2"', _DOT.sub("", text))  # a line of one point draws nothing
        text = _WORDS.sub(self._words, text)
        for _ in range(3):  # groups of empty groups
            text = _ALONE.sub(r"\1", _BARE.sub("", text))
        described = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        return text.replace("<svg ", f'<svg role="img" aria-label="{described}" ', 1).strip()

    def css(self) -> str:
        """The rules that figures share, for the page's style."""
        rules = [f".{name} {{ {style} }}" for style, name in self._classes.items()]
        return "\n".join(["svg * { stroke-linejoin: round; stroke-linecap: butt }", *rules])

    def definitions(self) -> str:
        """An SVG without size that holds the glyphs, markers and frames of all figures."""
        inside = "".join(
            _TAG.sub(rf'\g<0> id="{name}"', _DATA.sub(_webp, text), count=1)
            for text, name in self._defined.items()
        )
        hidden = 'aria-hidden="true" width="0" height="0" style="position: absolute"'
        return f"<svg {hidden}><defs>{inside}</defs></svg>"

    def _class(self, found: re.Match[str]) -> str:
        name = self._classes.setdefault(found[1], f"s{len(self._classes)}")
        return f' class="{name}"'

    def _named(self, text: str) -> str:
        """The name of what a page holds once."""
        return self._defined.setdefault(text, f"d{len(self._defined)}")

    def _image(self, found: re.Match[str]) -> str:
        """A picture by its name: figures of two widths show the same ones."""
        placed = "".join(_PLACED.findall(found[2]))
        # Pictures are drawn pixel by pixel, by a style of their own; other rasters are dots.
        of = "picture" if "class=" in found[2] else "dots"
        text = f"<image{_PLACED.sub('', found[2])} {of}={found[1]}/>"
        return f'<use href="#{self._named(text)}"{placed}/>'

    def _words(self, found: re.Match[str]) -> str:
        """Letters in a line by their name: axes and models are called alike in every figure."""
        return f'<use href="#{self._named(f"<g>{found[0]}</g>")}"/>'

    def _take(self, defined: str, shared: dict[str, str]) -> str:
        """Out of a figure's definitions what a page holds once; what is left."""

        def take(found: re.Match[str]) -> str:
            text = _STYLE.sub(self._class, f"<{found['of']}{found['rest']}")
            shared[found["id"]] = self._named(text)
            return ""

        return _DEFINED.sub(take, re.sub(r"<style[^>]*>.*?</style>", "", defined))


def theme_colors() -> dict[str, str]:
    """CSS variable → colour, of everything that the dark scheme turns."""
    named = {"ink": INK, "muted": MUTED, "faint": FAINT, "paper": PAPER}
    return named | {f"c{color[1:]}": color for color in palette()}


def _rounded(found: re.Match[str]) -> str:
    """To a twentieth of a point; smaller numbers, which are factors, to four digits."""
    value = float(found[0])
    if abs(value) < 2:
        return f"{value:.4g}" if abs(value) >= 1e-4 else "0"
    return f"{value:.1f}".removesuffix(".0")


def _webp(found: re.Match[str]) -> str:
    """A PNG's bytes, in base64, as WebP: pictures to the pixel, dots in 256 colours."""
    packed = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(found[2])), formats=("PNG",)) as file:
        image: Image.Image = file
        if found[1] == "dots":
            image = file.quantize(256, method=Image.Quantize.FASTOCTREE).convert("RGBA")
        image.save(packed, "WEBP", lossless=True, exact=True)
    return f'href="data:image/webp;base64,{base64.b64encode(packed.getvalue()).decode()}"/>'
