"""The published simulator, imported in one place that says what is missing where it cannot be."""

from __future__ import annotations

import os

from lewm_probe.core.errors import UserError

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # pygame greets on standard output
try:
    import cv2
    from gym_pusht.envs.pusht import PushTEnv  # type: ignore[import-untyped]
    from gym_pusht.envs.pymunk_override import DrawOptions  # type: ignore[import-untyped]
except ImportError as error:
    if "lib" in str(error) and ".so" in str(error):
        raise UserError(
            f"push-t draws with OpenCV, which cannot be loaded: {error}. On Debian or Ubuntu run "
            "`apt-get install libgl1 libglib2.0-0`, or take the build that needs neither: "
            "`pip uninstall opencv-python` and `pip install --force-reinstall "
            "opencv-python-headless`."
        ) from error
    raise

__all__ = ["DrawOptions", "PushTEnv", "cv2"]
