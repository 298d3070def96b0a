"""npz format plugin."""
