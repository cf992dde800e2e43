"""Worker processes, being stopped, and two processes at one place."""
