"""From folders of assets to training and evaluation clips.

`layouts` finds what belongs together, `build` reads it once into a compact cache (`pack`, `simplify`), `splits` says
who is seen, rare or unseen, `windows` and `appearance` make deterministic or random video clips of it.
Reading a cache needs numpy alone; rendering from it numba too.
"""
