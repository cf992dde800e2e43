from __future__ import annotations

import pytest

from lewm_probe.training.fabric import Layout, layout, make_fabric

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "LOCAL_WORLD_SIZE": "4",
    "WORLD_SIZE": "8",
    "RANK": "5",
    "LOCAL_RANK": "1",
}
SBATCH = {"SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "7"}
SRUN = {**SBATCH, "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_LOCALID": "3"}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, Layout(1, 1)),
        (TORCHRUN, Layout(4, 2)),
        (SRUN, Layout(4, 2)),
        ({**SRUN, "SLURM_NTASKS": "1", "SLURM_NNODES": "1"}, Layout(1, 1)),
        (SBATCH, Layout(1, 1)),  # no srun: this process is alone
        ({**SRUN, "SLURM_JOB_NAME": "bash"}, Layout(1, 1)),  # somebody's terminal on a node
    ],
)
def test_a_launcher_says_how_processes_lie(
    variables: dict[str, str], found: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert layout() == found


def test_alone_in_a_job_of_several_tasks_it_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SBATCH.items():
        monkeypatch.setenv(name, value)
    fabric = make_fabric("cpu", "float32")
    assert (fabric.world_size, fabric.global_rank) == (1, 0)
