"""bvh format plugin."""
