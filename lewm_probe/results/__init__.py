"""What analyses write and reports read: the schema, results on disk, where they come from."""
