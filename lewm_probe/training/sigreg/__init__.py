"""SIGReg: keep latents Gaussian by testing random one-dimensional views of them.

A vector is a standard Gaussian exactly when every projection of it onto a unit direction is. SIGReg
draws directions and sums the Epps–Pulley distance between each projection's empirical
characteristic function and that of N(0, 1) (LeJEPA, arXiv 2511.08544; LeWorldModel, arXiv
2603.19312).
"""

from lewm_probe.training.sigreg.formula import (
    DIRECTIONS,
    KNOTS,
    RANGE,
    epps_pulley,
    unit_directions,
)
from lewm_probe.training.sigreg.statistic import sigreg

__all__ = ["DIRECTIONS", "KNOTS", "RANGE", "epps_pulley", "sigreg", "unit_directions"]
