"""Windows and splits of episodes, and the statistics of their actions."""
