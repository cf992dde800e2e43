"""The report's tables: built from a view, written as HTML, Markdown, LaTeX and CSV."""
