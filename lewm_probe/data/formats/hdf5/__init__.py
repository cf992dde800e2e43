"""Episodes in the released HDF5 layouts."""
