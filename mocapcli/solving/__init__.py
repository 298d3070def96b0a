"""3D joint tracks to an animation on a rig: stage 2 of the pipeline on its own."""
