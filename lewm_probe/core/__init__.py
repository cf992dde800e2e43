"""Ground floor: errors, configuration, registry, files, seeding, progress. No word of the field."""
