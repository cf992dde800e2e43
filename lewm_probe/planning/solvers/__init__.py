"""Solvers by name: those of this package, and those that other packages bring along.

[project.entry-points."lewm_probe.solvers"]
my_search = "my_package.search:MY_SEARCH"
"""

from lewm_probe.core.registry import Registry
from lewm_probe.planning.solvers.solver import Solver

_HERE = "lewm_probe.planning.solvers"

SOLVERS: Registry[Solver] = Registry(
    "lewm_probe.solvers",
    Solver,
    {
        "cem": f"{_HERE}.cem:CEM",
        "icem": f"{_HERE}.icem:ICEM",
        "mppi": f"{_HERE}.mppi:MPPI",
        "gradient": f"{_HERE}.gradient:GRADIENT",
        "shooting": f"{_HERE}.shooting:SHOOTING",
        "categorical_cem": f"{_HERE}.categorical_cem:CATEGORICAL_CEM",
    },
    what="solver",
)
