"""The training loop. It knows neither which objective nor which encoder it trains."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from lewm_probe.core.errors import UsageError, UserError
from lewm_probe.core.files import content_hash
from lewm_probe.core.processes import ranks
from lewm_probe.core.processes.locks import alone
from lewm_probe.core.processes.stopping import Stop, deferred, requested
from lewm_probe.core.seeding import stream, torch_seed
from lewm_probe.data.episodes import Episodes
from lewm_probe.data.formats.registry import open_episodes
from lewm_probe.data.sampling.action_statistics import ActionStatistics
from lewm_probe.data.sampling.windows import MEMORY_LIMIT, Windows
from lewm_probe.models.checkpoints.native import save_checkpoint
from lewm_probe.models.family import FAMILIES, Origin, Trainee
from lewm_probe.training.ahead import Ahead
from lewm_probe.training.diagnostics import diagnostics, peak_memory, unbiased_rank
from lewm_probe.training.fabric import layout, make_fabric
from lewm_probe.training.kept import KeptFrames, keep_frames
from lewm_probe.training.optimizer import make_optimizer
from lewm_probe.training.recipe import Recipe
from lewm_probe.training.run.claims import check_data, check_finished, split, steps
from lewm_probe.training.run.folder import RunFolder
from lewm_probe.training.run.state import load_state, save_state
from lewm_probe.training.run.tensorboard import TensorBoardLog
from lewm_probe.training.schedule import learning_rate

Record = dict[str, Any]
OnLog = Callable[[Mapping[str, Any]], None]


def train(
    recipe: Recipe,
    data: Path,
    folder: Path,
    *,
    device: str = "auto",
    resume: bool = False,
    on_log: OnLog = lambda record: None,
) -> Path:
    """Train a world model from a data set; return the path of the final checkpoint.

    Started by torchrun or srun, the processes share each batch and give what one would have given,
    but for rounding and for where dropout falls; the first of them writes.

    The run can be killed at any moment and resumed: on CPU the weights are then bit-identical to an
    uninterrupted run with the same number of threads. A finished run is left alone, once it is
    clear that it is this one. What is refused leaves nothing behind.

    Args:
        recipe: what to train.
        data: episodes of any kind that ``open_episodes`` reads.
        folder: run folder to make or to go on with.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        resume: go on with what the folder holds, if anything.
        on_log: called with each record that goes to ``metrics.jsonl``, plus time left; and with
            those of ``keep_frames`` before, where an encoder is frozen.

    Raises:
        UsageError: the folder holds another run.
        UserError: broken data, a loss that is not finite, a full disk, another process at work in
            the folder, or files in it that are not of this run.
    """
    run = RunFolder(folder)
    fabric = make_fabric(device, recipe.precision)
    writer = ranks.own() == 0
    with alone(folder) if writer else nullcontext(), open_episodes(data) as file:
        run.check(recipe, resume)
        check_data(recipe, file)
        if run.final.exists():
            check_finished(run.final, recipe, file)
            return run.final
        told = on_log if writer else lambda record: None
        _Session(recipe, file, run, fabric, told).run(told)
    return run.final


class Diverged(UserError):
    """A loss or gradient that is not finite: what is wrong is the recipe, not the machine."""


class _Session:
    """One process's work on a run."""

    def __init__(
        self, recipe: Recipe, file: Episodes, run: RunFolder, fabric: Fabric, on_log: OnLog
    ) -> None:
        self.recipe, self.folder, self.fabric = recipe, run, fabric
        config, options = recipe.model, recipe.optimizer
        self.fingerprint = file.fingerprint
        # Keys that a later version adds, with what was so until then, do not make it another one.
        self.recipe_hash = content_hash(recipe.model_dump_json(exclude_defaults=True))
        self.processes, self.writer = ranks.count(), ranks.own() == 0
        if options.batch % self.processes:
            raise UsageError(
                f"A batch of {options.batch} cannot be shared by {self.processes} processes. Set "
                f"optimizer.batch to a multiple of {self.processes}, or start another number of "
                "processes."
            )
        training, validation = split(recipe, file)
        cut = (recipe.data.frames, config.frame_skip)
        torch.manual_seed(torch_seed(recipe.seed, "initialisation"))
        statistics = ActionStatistics.fit(file, training)
        family = FAMILIES.get(recipe.family)
        origin = Origin(family=recipe.family, world=recipe.world, seed=recipe.seed)
        trainee = family.trainee(family.build(config, statistics, origin), recipe.objective)
        encoded = self.encoded(trainee, file, on_log)
        columns = family.columns(config)
        memory = MEMORY_LIMIT // layout().on_node
        given: Any = {"columns": columns, "memory_limit": memory, "encoded": encoded}
        self.windows = Windows(file, training, *cut, **given)
        self.held_out = Windows(file, validation, *cut, **given)
        self.steps_per_epoch, self.total = steps(recipe, file, len(self.windows))
        trainee.prepare(self.windows)
        optimizer = make_optimizer(trainee, options.weight_decay)
        self.trainee = trainee
        self.orders: dict[int, np.ndarray] = {}
        self.module, self.optimizer = fabric.setup(trainee, optimizer)
        self.step = 0
        if run.resume.exists():
            known = (self.total, self.fingerprint, self.recipe_hash)
            self.step = load_state(run.resume, trainee, optimizer, *known)

    def encoded(self, trainee: Trainee, file: Episodes, on_log: OnLog) -> KeptFrames | None:
        """What a frozen encoder makes of the data set's frames, kept on disk, if it has one."""
        frozen = trainee.frozen()
        if frozen is None:
            return None
        training, _ = split(self.recipe, file)
        cut = (self.recipe.data.frames, self.recipe.model.frame_skip)
        steps(self.recipe, file, len(Windows(file, training, *cut, memory_limit=0)))  # or refused
        trainee.to(self.fabric.device)
        limit = self.recipe.data.cache_gb
        return keep_frames(file, frozen, self.fabric.device, limit_gb=limit, tell=on_log)

    def run(self, on_log: OnLog) -> None:
        """Train to the end, saving on the way, and when stopped: then ``Stop`` is raised."""
        tensorboard = self.writer and self.recipe.logging.tensorboard
        board = TensorBoardLog(self.folder.path) if tensorboard else None
        if self.writer:
            self.folder.begin(self.recipe, self.step)

        def log(record: Record, **transient: Any) -> None:
            if self.writer:
                self.folder.log(record)
            if board is not None:
                board.log(record)
            on_log({**record, **transient})

        if self.step == 0:
            self.save_checkpoint()
            log(self.validate())
        # Several processes stop together, at a step that all of them have taken.
        with deferred() if self.processes > 1 else nullcontext():
            self.take_steps(log)
        with deferred():
            self.save_checkpoint(self.folder.final)
            if self.writer:
                self.folder.resume.unlink(missing_ok=True)

    def take_steps(self, log: Callable[..., None]) -> None:
        """All steps that are left, each on a batch that was read during the one before."""
        began, first = time.perf_counter(), self.step
        ahead: Ahead[int, dict[str, Tensor]] = Ahead(
            lambda step: self.read(self.windows, self.share(step))
        )
        frames = self.recipe.optimizer.batch * self.recipe.data.frames
        with closing(ahead.over(range(self.step, self.total))) as batches:
            while self.step < self.total:
                with deferred():  # a step is taken, told and saved, or none of it
                    terms, latents = self.train_step(self.to_device(next(batches)))
                    self.step += 1
                    if self.step % self.recipe.logging.every_steps == 0:
                        elapsed, taken = time.perf_counter() - began, self.step - first
                        speed = {
                            "frames_per_second": frames * taken / elapsed,
                            "loader_wait": ahead.waited / elapsed,
                            "peak_memory_mb": peak_memory(self.fabric.device) / 2**20,
                        }
                        left = (self.total - self.step) * elapsed / taken
                        terms, latents = self.together(terms, latents)
                        record = self.record("train", terms, latents, **speed)
                        log(record, total_steps=self.total, seconds_left=left)
                    if self.step % self.steps_per_epoch == 0:
                        log(self.validate(), total_steps=self.total)
                        self.save_checkpoint()
                    due = self.step % self.recipe.resume_every_steps == 0 and self.step < self.total
                    stopped = ranks.anybody(requested(), self.fabric.device)
                    if due or stopped:
                        self.save_state()
                    if stopped and self.processes > 1:
                        raise Stop

    def share(self, step: int) -> np.ndarray:
        """The windows that this process takes at a step: its part of the batch of all."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch not in self.orders:
            self.orders = {epoch: self.order(epoch)}
        batch = self.recipe.optimizer.batch
        whole = self.orders[epoch][position * batch : (position + 1) * batch]
        return whole[ranks.own() :: self.processes]

    def train_step(self, batch: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """One optimiser step. Everything random in it is a function of (seed, step)."""
        options = self.recipe.optimizer
        rate = learning_rate(self.step, self.total, options.learning_rate, options.warmup_fraction)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        which = ranks.own()
        purpose = f"dropout {which}" if which else "dropout"
        torch.manual_seed(torch_seed(self.recipe.seed, purpose, self.step))
        directions = torch.Generator().manual_seed(
            torch_seed(self.recipe.seed, "sigreg", self.step)
        )
        self.module.train()
        terms, latents = self.module(batch, directions)
        self.fabric.backward(terms["loss"])
        norm = self.fabric.clip_gradients(
            self.module, self.optimizer, max_norm=options.gradient_clip, error_if_nonfinite=False
        )
        if norm is not None and not torch.isfinite(norm):
            raise self.diverged({**terms, "gradient norm": norm})
        self.optimizer.step()
        self.optimizer.zero_grad()
        return {name: value.detach() for name, value in terms.items()}, latents

    def together(
        self, terms: dict[str, Tensor], latents: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Terms and latents of a step of all processes."""
        means = {name: ranks.add_up(value) / self.processes for name, value in terms.items()}
        return means, ranks.gathered(latents)

    @torch.no_grad()
    def validate(self) -> Record:
        """Loss terms on the same held-out windows every time, in eval mode; in each process."""
        with ranks.apart():
            return self._validated()

    def _validated(self) -> Record:
        self.module.eval()
        batch = self.recipe.optimizer.batch
        chosen = stream(self.recipe.seed, "validation").permutation(len(self.held_out))
        chosen = np.sort(chosen[: batch * self.recipe.logging.validation_batches])
        totals: dict[str, float] = {}
        seen = []
        for start in range(0, len(chosen), batch):
            part = chosen[start : start + batch]
            if len(part) < 2:  # variances need two
                continue
            generator = torch.Generator().manual_seed(torch_seed(self.recipe.seed, "sigreg", start))
            whole = self.to_device(self.read(self.held_out, part))
            terms, latents = self.module(whole, generator)
            seen.append(latents)
            for name, value in terms.items():
                totals[name] = totals.get(name, 0.0) + float(value) * len(part)
        count = sum(len(latents) for latents in seen)
        means = {name: torch.tensor(value / count) for name, value in totals.items()}
        latents = torch.cat(seen)
        return self.record("validation", means, latents, effective_rank=unbiased_rank(latents))

    def record(
        self, split: str, terms: dict[str, Tensor], latents: Tensor, **more: float
    ) -> Record:
        """A line of ``metrics.jsonl``."""
        values = {name: float(value) for name, value in terms.items()}
        return {
            "step": self.step,
            "epoch": self.step / self.steps_per_epoch,
            "split": split,
            **values,
            **diagnostics(latents),
            **more,
        }

    def diverged(self, values: dict[str, Tensor]) -> Diverged:
        """The error for a loss or gradient that is not finite; nothing was changed by it."""
        name = next(name for name, value in values.items() if not torch.isfinite(value))
        return Diverged(
            f"'{name}' is {values[name].item()} at step {self.step}. Training stopped; earlier "
            "checkpoints are kept. Lower optimizer.learning_rate, or check the data with "
            "`lewm-probe data check`."
        )

    def read(self, windows: Windows, indices: np.ndarray) -> dict[str, Tensor]:
        """A batch: pixels uint8 (B, T, H, W, C), raw action (B, T, A), columns; ready to send."""
        batch = {k: torch.from_numpy(values) for k, values in windows.batch(indices).items()}
        if self.fabric.device.type != "cuda":
            return batch
        return {name: values.pin_memory() for name, values in batch.items()}

    def to_device(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch where it is computed with; images are normalised there."""
        device = self.fabric.device
        return {name: values.to(device, non_blocking=True) for name, values in batch.items()}

    def order(self, epoch: int) -> np.ndarray:
        """A fresh order of the training windows for this epoch."""
        return self.windows.order(stream(self.recipe.seed, "order", epoch))

    def save_state(self) -> None:
        """Write all that the run needs to go on."""
        if not self.writer:
            return
        save_state(
            self.folder.resume,
            self.trainee,
            self.optimizer,
            self.step,
            self.fingerprint,
            self.recipe_hash,
        )

    def save_checkpoint(self, path: Path | None = None) -> None:
        """Write the world model (without the objective's own parameters)."""
        if not self.writer:
            return
        meta = Origin(
            family=self.recipe.family,
            world=self.recipe.world,
            seed=self.recipe.seed,
            step=self.step,
            epoch=self.step // self.steps_per_epoch,
            data_fingerprint=self.fingerprint,
            recipe=self.recipe.name,
        )
        save_checkpoint(path or self.folder.checkpoint(self.step), self.trainee.model, meta=meta)
