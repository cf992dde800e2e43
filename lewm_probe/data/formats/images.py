"""Images of other people's data sets: decoded within bounds, resized by area."""

from __future__ import annotations

import io
import warnings
from typing import Literal

import numpy as np
from PIL import Image

from lewm_probe.data.formats.hdf5.layout import LARGEST_IMAGE

LARGEST_ENCODED = 2**26
"""Bytes of one encoded image beyond which it is not looked at (a 4096 px PNG of noise: 50 MB)."""


class BadImage(Exception):
    """What is wrong with an image; the caller says which one."""


def decode(encoded: bytes, kind: Literal["PNG", "JPEG"]) -> np.ndarray:
    """An image as uint8 (H, W, 3). Its header is believed only up to 4096 px a side.

    Raises:
        BadPicture: no image of that kind, broken off, too large, or not 8 bits a channel.
    """
    if len(encoded) > LARGEST_ENCODED:
        raise BadImage(f"is {len(encoded)} bytes long, more than any image here")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(encoded), formats=[kind]) as image:
                if max(image.size) > LARGEST_IMAGE:
                    width, height = image.size
                    raise BadImage(
                        f"claims {width}×{height} px, more than {LARGEST_IMAGE} on a side"
                    )
                if image.mode not in ("RGB", "RGBA", "L", "P"):
                    raise BadImage(f"has the mode {image.mode}, not 8 bits a channel")
                # Palettes by way of RGBA: Pillow warns of transparent ones otherwise.
                whole = image.convert("RGBA") if image.mode == "P" else image
                return np.asarray(whole.convert("RGB"))
    except BadImage:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, Warning) as error:
        raise BadImage(f"is not a whole {kind} image") from error
    except Image.DecompressionBombError as error:
        raise BadImage(f"claims more than {LARGEST_IMAGE} px on a side") from error


def resized(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 (side, side, 3) of a square image by Pillow's box filter.

    Each pixel is the mean of the area it covers; when the image grows, the nearest pixel.
    """
    if image.shape[:2] == (side, side):
        return image
    shrunk = Image.fromarray(image).resize((side, side), Image.Resampling.BOX)
    return np.asarray(shrunk)
