"""Places that are no path of this machine, e.g. ``s3://bucket/data.h5``, read through fsspec."""
