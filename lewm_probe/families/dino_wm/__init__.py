"""DINO-WM and its kin: a predictor of the patch tokens of a frozen encoder (arXiv 2411.04983)."""
