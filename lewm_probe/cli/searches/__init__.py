"""Commands driven by many trainings: studies, and searches over settings of recipes."""
