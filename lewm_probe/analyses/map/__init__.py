"""How a grid of places lies in latent space."""

from lewm_probe.results.analyses import Analysis, Option
from lewm_probe.results.cards import Card

MAP = Analysis(
    "map",
    "How a grid of places lies in latent space: PCA and t-SNE beside the grid, neighbours kept.",
    Card("Maps of the latents", 53),
    settings="lewm_probe.analyses.map.settings:MapSettings",
    measure="lewm_probe.analyses.map.measure:measure",
    report="lewm_probe.analyses.map.report.part:REPORT",
    needs=frozenset({"simulator"}),
    options={
        "--grid": Option("grid", int, "Places along the longer side of the grid."),
        "--neighbours": Option("neighbours", int, "Nearest places that should stay neighbours."),
        "--perplexity": Option("perplexity", float, "Perplexity of t-SNE."),
        "--body": Option("bodies", list[str], "Body to move over the grid (default: all)."),
    },
    by_default=False,
    metrics=frozenset(
        ["neighbourhood_overlap", "pca_variance_share", "refused_places", "trustworthiness"]
    ),
    keys={"method": frozenset({"pca", "tsne"})},
)
