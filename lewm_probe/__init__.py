"""Train latent world models from pixels and measure what physics they understood."""

__version__ = "0.1.0"
