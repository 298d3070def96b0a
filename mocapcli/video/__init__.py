"""Video in: files and folders of pictures become `Frames` at a steady rate, in chunks."""
