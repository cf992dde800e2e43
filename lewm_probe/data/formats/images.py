"""Pictures of other people's data sets: decoded within bounds, resized by area."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np
from PIL import Image

from lewm_probe.data.formats.hdf5.layout import LARGEST_PICTURE

LARGEST_ENCODED = 2**26
"""Bytes of one encoded picture beyond which it is not looked at (a 4096 px PNG of noise: 50 MB)."""


class BadPicture(Exception):
    """What is wrong with a picture; the caller says which one."""


def decode(encoded: bytes, kind: Literal["PNG", "JPEG"]) -> np.ndarray:
    """A picture as uint8 (H, W, 3). Its header is believed only up to 4096 px a side.

    Raises:
        BadPicture: no picture of that kind, broken off, too large, or not 8 bits a channel.
    """
    if len(encoded) > LARGEST_ENCODED:
        raise BadPicture(f"is {len(encoded)} bytes long, more than any picture here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(encoded), formats=[kind]) as picture:
                if max(picture.size) > LARGEST_PICTURE:
                    width, height = picture.size
                    raise BadPicture(
                        f"claims {width}×{height} px, more than {LARGEST_PICTURE} on a side"
                    )
                if picture.mode not in ("RGB", "RGBA", "L", "P"):
                    raise BadPicture(f"has the mode {picture.mode}, not 8 bits a channel")
                # Palettes by way of RGBA: Pillow warns of transparent ones otherwise.
                whole = picture.convert("RGBA") if picture.mode == "P" else picture
                return np.asarray(whole.convert("RGB"))
    except BadPicture:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, Warning) as error:
        raise BadPicture(f"is not a whole {kind} picture") from error
    except Image.DecompressionBombError as error:
        raise BadPicture(f"claims more than {LARGEST_PICTURE} px on a side") from error


def resized(picture: np.ndarray, side: int) -> np.ndarray:
    """uint8 (side, side, 3) of a square picture by Pillow's box filter.

    Each pixel is the mean of the area it covers; when the picture grows, the nearest pixel.
    """
    if picture.shape[:2] == (side, side):
        return picture
    shrunk = Image.fromarray(picture).resize((side, side), Image.Resampling.BOX)
    return np.asarray(shrunk)
