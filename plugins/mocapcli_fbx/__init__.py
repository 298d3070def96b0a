"""fbx format plugin."""
