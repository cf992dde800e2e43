"""The report's figures: each drawn from a view alone, in one style, at two widths."""
