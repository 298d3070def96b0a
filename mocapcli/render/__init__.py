"""Draw rigs without a screen or a graphics card: camera, skinning, rasteriser, capsule bodies, 2D overlays.

Start at `scene.prepare` and `scene.render_motion`; nothing is imported here, so that naming the package is free.
"""
