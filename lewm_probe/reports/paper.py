"""The papers' numbers, to stand beside ours: ``paper_values.yaml``, read and looked up."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lewm_probe.core.config import Config, load_yaml
from lewm_probe.reports import labels


class PaperProbe(Config):
    """One probe: mean squared error on z-scored targets and Pearson r."""

    world: str
    family: str
    subject: str
    method: str
    mse: float
    pearson_r: float


class PaperPair(Config):
    """The conditions of a paper's surprise figure in one world, by our names."""

    world: str
    teleport: str
    color: str


class PaperFinding(Config):
    """What a paper says of a kind of condition, in words."""

    world: str
    family: str
    kind: str
    finding: str


class PaperLevel(Config):
    """One other published number."""

    world: str
    family: str
    analysis: str
    metric: str
    method: str | None = None
    value: float
    source: str


class PaperValues(Config):
    """The whole file."""

    sources: dict[str, str]
    probes: tuple[PaperProbe, ...]
    pairs: tuple[PaperPair, ...]
    findings: tuple[PaperFinding, ...]
    levels: tuple[PaperLevel, ...]

    def probe(self, world: str, family: str, subject: str, method: str) -> PaperProbe | None:
        """A published probe, if there is one."""
        for one in self.probes:
            if (one.world, one.family, one.subject, one.method) == (world, family, subject, method):
                return one
        return None

    def speaks_of(self, world: str) -> bool:
        """Whether the paper measured surprise in a world."""
        return any(one.world == world for one in self.findings)

    def pair(self, world: str) -> tuple[str, str] | None:
        """The teleport and the recolouring that the paper tried in a world, if we know them."""
        for one in self.pairs:
            if one.world == world:
                return one.teleport, one.color
        return None

    def finding(self, world: str, family: str, condition: str) -> str:
        """What the paper found for a condition, or an empty string where it did not try it."""
        kind, pair = labels.condition_kind(condition), self.pair(world)
        if pair is not None and condition not in pair:
            return ""
        for one in self.findings:
            if (one.world, one.family, one.kind) == (world, family, kind):
                return one.finding
        return ""

    def level(
        self, world: str, family: str, analysis: str, metric: str, method: str | None = None
    ) -> PaperLevel | None:
        """Another published number, if there is one."""
        key = (world, family, analysis, metric, method)
        for one in self.levels:
            if (one.world, one.family, one.analysis, one.metric, one.method) == key:
                return one
        return None


@cache
def paper_values() -> PaperValues:
    """The values shipped with the package."""
    return load_yaml(Path(__file__).with_name("paper_values.yaml"), PaperValues, "paper values")
