"""How long planning takes: LeWM against DINO-WM, each as plainly written and at its best.

    .venv/bin/python -m tests.benchmarks.planning
    .venv/bin/python -m tests.benchmarks.planning --plans 2 --samples 2 --rounds 2 --out /tmp/quick
    .venv/bin/python -m tests.benchmarks.planning --device cuda --samples 300 --iterations 30

Sizes are the published ones, weights random. The plain way reads a whole window at each step for
each sample (``WorldModel.rollout``) and encodes as stable-worldmodel does: LeWM's start and goal in
each iteration, DINO-WM's once. Measured are the model's part of one CEM iteration of the published
size, the two ways in turns; whole plans of a smaller size, all four in turns; their memory, each in
a process of its own; and, counted rather than timed, a plan of the published size. Writes
``planning.json`` and ``planning.md`` (``planning-cuda.…`` on a GPU) into ``reports/benchmarks``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from lewm_probe.families.dino_wm.config import DinoWMConfig
from lewm_probe.families.dino_wm.family import DINO_WM_RANDOM
from lewm_probe.models.base import WorldModel
from lewm_probe.models.config import ModelConfig
from lewm_probe.models.family import Origin
from lewm_probe.models.jepa import JEPA
from lewm_probe.models.trainable import TrainableModel
from tests.benchmarks.bench import _commit, _processor, _status
from tests.benchmarks.pieces import STATISTICS

OUT = Path("reports/benchmarks")
WAYS = ("plain", "ours")
STEPS = 5
"""Blocks of a plan (paper)."""
GOAL = 1.3
"""How many times faster ours is meant to be in an iteration of the published size."""
NOISE = 0.02
"""Standard deviation of what is added to weights, that of a usual initialisation."""


@dataclass(frozen=True)
class Size:
    """Of a search by CEM."""

    samples: int
    iterations: int

    @property
    def elites(self) -> int:
        """A tenth, as published, but two at least: they have a standard deviation."""
        return min(self.samples, max(2, self.samples // 10))


PUBLISHED = Size(samples=300, iterations=30)


def make_lewm() -> TrainableModel:
    """As released: one token of 192 a frame."""
    return JEPA(ModelConfig(), STATISTICS, train_seed=0)


def make_dino_wm() -> TrainableModel:
    """As stable-worldmodel has it: 256 tokens of 384 + 10 (proprioception) + 10 (action)."""
    config = DinoWMConfig(encoder_size=224, normalisation="imagenet", proprio_width=4)
    return DINO_WM_RANDOM.build(config, STATISTICS, Origin(family="dino_wm-random", seed=0))


MODELS: dict[str, Callable[[], TrainableModel]] = {"LeWM": make_lewm, "DINO-WM": make_dino_wm}


class Planner:
    """CEM with a model, in one of the two ways."""

    def __init__(self, name: str, way: str, device: torch.device) -> None:
        self.model, self.device = MODELS[name]().eval().requires_grad_(False), device
        generator = torch.Generator().manual_seed(0)
        for weight in self.model.get_submodule("predictor").parameters():
            # A fresh LeWM's gates are shut, so that any two ways would agree.
            weight += NOISE * torch.randn(weight.shape, generator=generator)
        self.model.to(device)
        self.ours = way == "ours"
        self.encodes_anew = name == "LeWM" and not self.ours
        shape = (2, 1, 224, 224, 3)
        self.images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)

    def rollout(self, context: Tensor, past: Tensor, plans: Tensor) -> Tensor:
        """(1, h, …), (1, h − 1, A), (1, S, K, A) → (1, S, K, …)."""
        if self.ours:
            return self.model.rollout(context, past, plans)
        return WorldModel.rollout(self.model, context, past, plans)

    def question(self, frames: int, samples: int) -> tuple[Tensor, Tensor, Tensor]:
        """A context of some frames, its past actions, and plans; all of noise."""
        latent, width = (self.model.config.latent_width,), self.model.spec.action_width
        if self.model.spec.tokens > 1:
            latent = (self.model.spec.tokens, *latent)
        shapes = ((1, frames, *latent), (1, frames - 1, width), (1, samples, STEPS, width))
        generator = torch.Generator().manual_seed(1)
        context, past, plans = (
            torch.randn(shape, generator=generator).to(self.device) for shape in shapes
        )
        return context, past, plans

    @torch.no_grad()
    def plan(self, size: Size) -> Tensor:
        """From one image to another: (K, A)."""
        width = self.model.spec.action_width
        mean, std = (torch.full((STEPS, width), x, device=self.device) for x in (0.0, 1.0))
        past = mean.new_empty(1, 0, width)
        for iteration in range(size.iterations):
            if iteration == 0 or self.encodes_anew:
                start, goal = self.model.encode(self.images).split(1)
            noise = torch.randn(1, size.samples, STEPS, width, device=self.device)
            plans = mean + std * noise
            ends = self.rollout(start, past, plans)[:, :, -1:]
            costs = self.model.goal_cost(ends, goal.unsqueeze(1)).flatten()
            elites = plans[0, costs.topk(size.elites, largest=False).indices]
            mean, std = elites.mean(0), elites.std(0)
        return mean

    def wait(self) -> None:
        """Until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work: Callable[..., object], *given: object) -> float:
        """Of one call."""
        self.wait()
        began = time.perf_counter()
        work(*given)
        self.wait()
        return time.perf_counter() - began


def iterations(rounds: int, device: torch.device) -> list[dict[str, Any]]:
    """The model's part of an iteration of the published size, from one frame and from three."""
    planners = {way: Planner("LeWM", way, device) for way in WAYS}
    found = []
    for frames in (1, 3):
        asked = planners["ours"].question(frames, PUBLISHED.samples)
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        with torch.no_grad():
            ends = {way: planner.rollout(*asked) for way, planner in planners.items()}
            for _ in range(rounds):
                for way, planner in planners.items():
                    times[way].append(planner.seconds(planner.rollout, *asked))
        medians = {way: statistics.median(taken) for way, taken in times.items()}
        pairs = zip(times["plain"], times["ours"], strict=True)
        found.append(
            {
                "frames": frames,
                "seconds": times,
                "median": medians,
                "ratio": medians["plain"] / medians["ours"],
                "ratio_of_pairs": statistics.median(plain / ours for plain, ours in pairs),
                "apart": float((ends["plain"] - ends["ours"]).abs().max()),
            }
        )
    return found


def plans(size: Size, count: int, device: torch.device) -> list[dict[str, Any]]:
    """Seconds of whole plans, the four taking turns, and what each holds in a process alone."""
    planners = {(name, way): Planner(name, way, device) for name in MODELS for way in WAYS}
    times: dict[tuple[str, str], list[float]] = {key: [] for key in planners}
    for planner in planners.values():
        planner.plan(Size(samples=2, iterations=1))
    for _ in range(count):
        for key, planner in planners.items():
            times[key].append(planner.seconds(planner.plan, size))
    return [
        {
            "model": name,
            "way": way,
            "seconds": taken,
            "median": statistics.median(taken),
            "p95": float(np.quantile(taken, 0.95)),
            "memory_mb": _memory_alone(name, way, size, device),
        }
        for (name, way), taken in times.items()
    ]


def memory(name: str, way: str, size: Size, device: torch.device) -> float:
    """MB that a plan took above what the model itself holds, at its most."""
    planner = Planner(name, way, device)
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        planner.plan(size)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    resident = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # forgets the peak so far
    planner.plan(size)
    return (_status("VmHWM") - resident) / 1024


def _memory_alone(name: str, way: str, size: Size, device: torch.device) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.planning", "--alone", name, way]
    command += ["--samples", str(size.samples), "--iterations", str(size.iterations)]
    command += ["--device", str(device), "--threads", str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def operations() -> FlopCounterMode:
    """Counts products of matrices and fused attention; torch by itself leaves out a CPU's."""

    def attention(
        query: torch.Size, key: torch.Size, value: torch.Size, *rest: object, **options: object
    ) -> int:
        return sdpa_flop_count(query, key, value)

    fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return FlopCounterMode(display=False, custom_mapping={fused: attention})


def counted(size: Size) -> list[dict[str, Any]]:
    """Floating-point operations and tokens of a plan from one frame.

    Neither way's work depends on numbers, so a rollout's is a part that samples share and a part
    for each: two samples against one tell both, and any size follows. Of LeWM's attention, which
    ours writes as sums, the counter sees nothing; it is less than 0.1 % of all.
    """
    found = []
    for name in MODELS:
        for way in WAYS:
            planner = Planner(name, way, torch.device("cpu"))
            with operations() as counter:
                planner.model.encode(planner.images)
            encoding = counter.get_total_flops()
            one, two = (_rollout_work(planner, samples) for samples in (1, 2))
            flops, tokens = (
                (2 * first - second) + size.samples * (second - first)
                for first, second in zip(one, two, strict=True)
            )
            times_encoded = size.iterations if planner.encodes_anew else 1
            found.append(
                {
                    "model": name,
                    "way": way,
                    "tokens_a_frame": planner.model.spec.tokens,
                    "tokens": size.iterations * tokens,
                    "flops": times_encoded * encoding + size.iterations * flops,
                    "flops_of_encoding": times_encoded * encoding,
                }
            )
    return found


def _rollout_work(planner: Planner, samples: int) -> tuple[int, int]:
    """Operations of a rollout, and tokens that its first layer reads."""
    read: list[int] = []

    def hook(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        read.append(given[0].shape[:-1].numel())

    first = planner.model.get_submodule("predictor.transformer.layers.0")
    mlp = first[1] if isinstance(first, nn.ModuleList) else first.get_submodule("mlp")
    handle = mlp.register_forward_pre_hook(hook)
    with torch.no_grad(), operations() as counter:
        planner.rollout(*planner.question(1, samples))
    handle.remove()
    return counter.get_total_flops(), sum(read)


def page(found: dict[str, Any]) -> str:
    """``planning.md``."""
    about = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
    small, large = Size(**found["size"]), PUBLISHED
    count = len(found["plans"][0]["seconds"])
    lines = [
        "# Speed of planning",
        "",
        f"{about}. `{found['command']}`; the JSON file beside this one has all numbers. Random "
        "weights of the published sizes. Plain: a whole window a step for each sample. Ours: "
        "nothing twice (`lewm_probe/models/imagination.py`).",
        "",
        f"The model's part of one CEM iteration, LeWM, {large.samples} samples × {STEPS} blocks, "
        f"median of {len(found['iterations'][0]['seconds']['plain'])} rounds in which the ways "
        f"take turns; the goal is {GOAL:g}×.",
        "",
        "| frames of context | plain | ours | ratio (median of pairs) | goal | apart by at most |",
        "|--:|--:|--:|--:|---|--:|",
    ]
    for one in found["iterations"]:
        met = "met" if one["ratio"] >= GOAL else "missed"
        plain, ours = (f"{1000 * one['median'][way]:,.0f} ms" for way in WAYS)
        ratios = f"{one['ratio']:.2f}× ({one['ratio_of_pairs']:.2f}×)"
        cells = [str(one["frames"]), plain, ours, ratios, met, f"{one['apart']:.0e}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"A whole plan, images encoded: {small.samples} samples × {small.iterations} iterations × "
        f"{STEPS} blocks, {count} plans each, in turns. Memory: what a plan added to a process of "
        "its own at most.",
        "",
        "| model | way | median | p95 | peak memory | LeWM is faster |",
        "|---|---|--:|--:|--:|--:|",
    ]
    quick = {one["way"]: one["median"] for one in found["plans"] if one["model"] == "LeWM"}
    for one in found["plans"]:
        ratio = f"{one['median'] / quick[one['way']]:.0f}×" if one["model"] != "LeWM" else ""
        cells = [one["model"], one["way"], f"{one['median']:.2f} s", f"{one['p95']:.2f} s"]
        cells += [f"{one['memory_mb']:,.0f} MB", ratio]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Counted, not timed: a plan of {large.samples} samples × {large.iterations} iterations × "
        f"{STEPS} blocks. Operations are those of products of matrices and attention; rollouts of "
        "one and of two samples were counted, which gives what samples share and what each adds.",
        "",
        "| model | way | tokens a frame | tokens read | TFLOP | encoding | LeWM takes less |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    cheap = {one["way"]: one["flops"] for one in found["counted"] if one["model"] == "LeWM"}
    for one in found["counted"]:
        ratio = f"{one['flops'] / cheap[one['way']]:.0f}×" if one["model"] != "LeWM" else ""
        cells = [one["model"], one["way"], str(one["tokens_a_frame"]), f"{one['tokens']:,}"]
        cells += [f"{one[key] / 1e12:,.2f}" for key in ("flops", "flops_of_encoding")]
        lines.append(f"| {' | '.join([*cells, ratio])} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--plans", type=int, default=20)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--alone", nargs=2, metavar=("MODEL", "WAY"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    device, size = asked.device, Size(asked.samples, asked.iterations)
    if asked.alone:
        sys.stdout.write(f"{memory(*asked.alone, size, device)}\n")
        return
    on_cpu = device.type == "cpu"
    found = {
        "command": " ".join(["python -m tests.benchmarks.planning", *sys.argv[1:]]),
        "machine": {
            "processor": _processor() if on_cpu else torch.cuda.get_device_name(device),
            "threads": str(asked.threads),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "commit": _commit(),
        },
        "size": asdict(size),
        "iterations": iterations(asked.rounds, device),
        "plans": plans(size, asked.plans, device),
        "counted": counted(PUBLISHED),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    name = "planning" if on_cpu else f"planning-{device.type}"
    text = json.dumps(found, indent=1)
    (asked.out / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    (asked.out / f"{name}.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
