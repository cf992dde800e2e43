"""When memory runs out, half as much is tried at once, and the numbers are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lewm_probe.analyses.engine import batching
from lewm_probe.analyses.engine.asked.checkpoint import checkpoint_from_model
from lewm_probe.analyses.engine.batching import in_batches, is_out_of_memory
from lewm_probe.analyses.engine.imagination import imagine
from lewm_probe.analyses.engine.predictions import surprise, teacher_forced
from lewm_probe.analyses.engine.remembered.latent_cache import LatentCache, encode
from lewm_probe.analyses.engine.run import run
from lewm_probe.core.errors import UserError

CPU = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you "
    "tried to allocate 8000000000000 bytes. Error code 12 (Cannot allocate memory)"
)
ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError("Unable to allocate 8. TiB"),
    RuntimeError(CPU),
    RuntimeError("MPS backend out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(batching, "_fitting", {})


@pytest.fixture
def small(doubles):
    """The oracle, out of memory above a batch of ``most``; counts its calls."""

    class Small(doubles["oracle"]):
        most, error, calls = 5, ERRORS[0], 0

        def fit(self, count):
            self.calls += 1
            if count > self.most:
                raise self.error

        def encode(self, observation):
            self.fit(len(observation))
            return super().encode(observation)

        def predict(self, latents, actions):
            self.fit(len(latents))
            return super().predict(latents, actions)

        def surprise(self, predicted, target):
            self.fit(len(predicted))
            return super().surprise(predicted, target)

    return Small()


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
def test_half_as_much_is_tried_until_it_fits(oracle, error):
    tried = []

    def double(rows):
        tried.append(rows.stop - rows.start)
        if tried[-1] > 3:
            raise error
        return list(range(rows.start, rows.stop))

    parts = in_batches(double, 10, 16, doing="testing", model=oracle.model)
    assert sum(parts, []) == list(range(10))
    assert tried == [10, 5, 2, 2, 2, 2, 2]
    tried.clear()
    assert sum(in_batches(double, 7, 16, doing="testing", model=oracle.model), []) == list(range(7))
    assert tried == [2, 2, 2, 1]  # it is known by now


def test_other_models_and_deeds_start_anew(oracle, doubles):
    def refuse(rows):
        if rows.stop - rows.start > 1:
            raise MemoryError
        return rows

    model = oracle.model
    assert len(in_batches(refuse, 4, 4, doing="testing", model=model)) == 4
    assert len(in_batches(lambda rows: rows, 4, 4, doing="testing", model=model)) == 4
    assert len(in_batches(lambda rows: rows, 4, 4, doing="another", model=model)) == 1
    at_step = doubles["oracle"](step=10)
    assert len(in_batches(lambda rows: rows, 4, 4, doing="testing", model=at_step)) == 4
    larger = doubles["oracle"](image_size=128)
    assert len(in_batches(lambda rows: rows, 4, 4, doing="testing", model=larger)) == 1


def test_nothing_is_one_empty_batch(oracle):
    assert in_batches(lambda rows: rows, 0, 4, doing="testing", model=oracle.model) == [slice(0, 0)]


def test_one_at_a_time_and_still_too_much(small):
    small.most = 0
    with pytest.raises(UserError) as error:
        encode(small, np.zeros((2, 3, 64, 64, 3), np.uint8), batch=4)
    assert str(error.value) == (
        "Memory ran out while encoding images with a model of 64 px, even one at a time (4 and "
        "less were tried). Give it a device with more memory (--device cpu if it was on another), "
        "or end what else uses this one."
    )


def test_other_errors_are_what_they_are(oracle):
    def broken(rows):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="^mat1 and mat2 shapes cannot be multiplied$"):
        in_batches(broken, 3, 3, doing="testing", model=oracle.model)
    assert not is_out_of_memory(ValueError("out of memory"))


def test_torch_says_so_in_these_words(oracle):
    """The words are those of the allocator itself, not of a double."""
    with pytest.raises(RuntimeError) as error:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(error.value)


def test_numbers_are_the_same(small, oracle, trajectories):
    pixels, actions = trajectories.pixels, trajectories.actions
    z = encode(oracle.model, pixels)["z"]
    np.testing.assert_array_equal(encode(small, pixels)["z"], z)
    predicted = teacher_forced(oracle.model, z, actions)
    np.testing.assert_array_equal(teacher_forced(small, z, actions), predicted)
    np.testing.assert_array_equal(
        surprise(small, predicted, z), surprise(oracle.model, predicted, z)
    )
    own, other = checkpoint_from_model("small", small), oracle
    np.testing.assert_array_equal(
        imagine(own, z, actions, 3).latents, imagine(other, z, actions, 3).latents
    )


def test_a_whole_analysis_goes_on(small, oracle, short_suite):
    small.most = 2
    found = run(
        "rollout", [checkpoint_from_model("oracle", small)], short_suite, cache=LatentCache()
    )
    expected = run("rollout", [oracle], short_suite, cache=LatentCache())
    assert [m.value for m in found.metrics] == [m.value for m in expected.metrics]
