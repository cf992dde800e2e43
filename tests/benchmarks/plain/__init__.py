"""The published formulas written plainly, in eager PyTorch: what our code is measured against."""
