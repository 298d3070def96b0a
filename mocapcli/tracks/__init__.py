"""3D joint tracks, made by whatever saw the subject, and their readers."""
