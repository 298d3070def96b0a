"""Changes to a clip, by name: `--filter smooth --filter loop:root=in-place`. Without any, it stays bit for bit."""
