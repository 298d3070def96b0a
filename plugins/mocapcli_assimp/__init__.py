"""assimp format plugin."""
