"""Names as USD wants them in paths; the true ones are kept beside (`displayName`, `jointNames`)."""

from pxr import Tf


def identifier(name: str) -> str:
    return str(Tf.MakeValidIdentifier(name)) if name else "unnamed"


def distinct(name: str, taken: set[str]) -> str:
    """`name`, numbered where it is taken; it is added to `taken`."""
    free, count = name, 0
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free
