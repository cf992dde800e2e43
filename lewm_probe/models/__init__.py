"""World models: LeWM and PLDM, their parts, and loading and saving them."""
