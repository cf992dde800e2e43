"""Questions asked of frozen world models: one public function a file, each returning a Result."""
