"""Seconds to load a whole-size checkpoint of the released shape: python tests/benchmarks/loading.py

A LeWM of the released sizes (303 tensors, 18,034,478 parameters, 72 MB) with random weights is
written in the released shape and loaded five times. The aim is under 2 s on one CPU core.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import torch

import lewm_probe
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.models.checkpoints.swm.export import export_swm
from lewm_probe.models.config import ModelConfig
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.trainable import count_parameters


def main() -> None:
    torch.set_num_threads(1)
    model = JEPA(ModelConfig(), ActionStatistics((0.0, 0.0), (1.0, 1.0)))
    with tempfile.TemporaryDirectory() as folder:
        export_swm(Path(folder), model)
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            loaded = lewm_probe.load_model(folder)
            seconds.append(time.perf_counter() - began)
    tensors, parameters = len(loaded.state_dict()), count_parameters(loaded)
    times = ", ".join(f"{s:.2f}" for s in seconds)
    sys.stdout.write(f"{tensors} tensors, {parameters:,} parameters: {times} s\n")


if __name__ == "__main__":
    main()
