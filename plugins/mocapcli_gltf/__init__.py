"""gltf format plugin."""
