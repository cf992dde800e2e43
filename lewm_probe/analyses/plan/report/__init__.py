"""How planning is shown: figures, tables and a verdict, from results alone."""
