"""Training: endless samples rendered from rigs, one visible loop, and adaptation to a single rig."""
