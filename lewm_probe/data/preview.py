"""A look at a data set: a contact sheet of several episodes, an animation of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import atomic_path
from lewm_probe.data.episodes import Episodes

CELL = 96
"""Smallest side of a shown image in px; smaller ones are enlarged by a whole factor."""
MARGIN = 4
LABEL = 16
MARK = "lewm-probe"
"""Stands in the head of every image that is written here: others' images are not replaced."""
MILLISECONDS = 50
"""Time of a frame in the animation."""


def contact_sheet(
    file: Episodes,
    out: Path,
    *,
    episode: int | None = None,
    rows: int = 6,
    columns: int = 8,
) -> Path:
    """Write a PNG of evenly spaced episodes, one a row, each by evenly spaced images.

    Args:
        file: the data set.
        out: the image, a .png file.
        episode: show this episode alone, over all rows of the sheet.
        rows: episodes shown, at most.
        columns: images of each.

    Raises:
        UsageError: ``out`` is no .png file.
        UserError: no such episode, or ``out`` cannot be written or is somebody else's image.
    """
    _check_target(out, ".png", "a contact sheet")
    strips = _strips(file, episode, rows, columns)
    height, width, _ = file.frame_shape
    factor = _factor(file)
    step_x, step_y = width * factor + MARGIN, height * factor + MARGIN + LABEL
    size = (MARGIN + columns * step_x, MARGIN + len(strips) * step_y)
    sheet = Image.new("RGB", size, (128, 128, 128))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for line, (index, steps) in enumerate(strips):
        start = int(file.offsets[index])
        for column, step in enumerate(steps):
            at = (MARGIN + column * step_x, MARGIN + line * step_y)
            draw.text((at[0], at[1]), _label(index, int(step), column), "white", font)
            sheet.paste(
                _shown(file.row("pixels", start + int(step)), factor), (at[0], at[1] + LABEL)
            )
    with atomic_path(out) as temporary:
        mark = PngInfo()
        mark.add_text("Software", MARK)
        sheet.save(temporary, format="PNG", optimize=True, pnginfo=mark)
    return out


def animate(file: Episodes, out: Path, *, episode: int = 0) -> Path:
    """Write a GIF of one episode, every row a frame, 20 frames/s, in a loop.

    Raises:
        UsageError: ``out`` is no .gif file.
        UserError: no such episode, or ``out`` cannot be written or is somebody else's image.
    """
    _check_target(out, ".gif", "an animation")
    pixels = file.episode(episode, ["pixels"])["pixels"]
    first, *others = [_shown(frame, _factor(file)) for frame in pixels]
    with atomic_path(out) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=MILLISECONDS,
            loop=0,
            comment=MARK.encode(),
        )
    return out


def _strips(
    file: Episodes, episode: int | None, rows: int, columns: int
) -> list[tuple[int, np.ndarray]]:
    """Episode and steps of each line of the sheet."""
    if episode is None:
        chosen = np.unique(np.linspace(0, len(file) - 1, min(rows, len(file))).astype(int))
        return [(int(i), _spread(int(file.lengths[i]), columns)) for i in chosen]
    steps = _spread(len(file.episode(episode, ["action"])["action"]), rows * columns)
    return [(episode, steps[at : at + columns]) for at in range(0, len(steps), columns)]


def _spread(length: int, count: int) -> np.ndarray:
    return np.unique(np.linspace(0, length - 1, min(count, length)).astype(int))


def _label(episode: int, step: int, column: int) -> str:
    return f"episode {episode}" if column == 0 else f"step {step}"


def _factor(file: Episodes) -> int:
    return max(1, round(CELL / min(file.frame_shape[:2])))


def _shown(frame: np.ndarray, factor: int) -> Image.Image:
    image = Image.fromarray(frame)
    size = (image.width * factor, image.height * factor)
    return image.resize(size, Image.Resampling.NEAREST)


def _check_target(out: Path, suffix: str, what: str) -> None:
    if out.suffix.lower() != suffix:
        raise UsageError(
            f"{out} is not a name for {what}, which is a {suffix} file. Try {out.stem}{suffix}."
        )
    if not out.is_file():
        return
    with open(out, "rb") as there:
        ours = MARK.encode() in there.read(2048)
    if not ours:
        raise UserError(
            f"{out} is there already and was not written by lewm-probe, so it is not replaced. "
            "Move it away, or choose another name with --out."
        )
