"""What commands print: progress, tables, errors as paragraphs."""
