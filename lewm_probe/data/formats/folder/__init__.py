"""Episodes as folders of images or videos with a CSV file."""
