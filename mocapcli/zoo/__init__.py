"""The procedural zoo: rigged, skinned, painted and animated creatures from nothing but a seed."""

from mocapcli.zoo.api import KINDS, make_creature

__all__ = ["KINDS", "make_creature"]
