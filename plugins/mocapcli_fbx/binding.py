"""The narrow door to ufbx; nothing else imports it.

The binding frees its wrapper objects wrongly: letting go of one may crash the process. So everything obtained
from it passes through `hold`, and is never let go.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import ufbx

from mocapcli.errors import ReadError, UnsupportedError

_held: list[object] = []

LARGEST_ATTRIBUTE = 1e6  # normals, uvs, colours

DAMAGED = "the file is cut off or damaged"
REASONS = {
    "UnrecognizedFileFormatError": "this is not an FBX file",
    "TruncatedFileError": DAMAGED,
    "OutOfMemoryError": "the file asks for more memory than it may have",
    "NodeDepthLimitError": "nodes are nested too deeply",
    "BadIndexError": DAMAGED,
}


def hold(thing: Any) -> Any:
    _held.append(thing)
    return thing


def items(sequence: Any) -> Sequence[Any]:
    """The elements of one of the binding's lists."""
    found: list[Any] = hold(list(hold(sequence)))
    return found


def matrix(value: Any) -> np.ndarray:
    """A 4×4 matrix from ufbx's four columns."""
    out = np.eye(4)
    out[:3] = np.array(value).T
    return out


def vectors(sequence: Any, width: int) -> np.ndarray:
    """[count, width] numbers from a list of vectors."""
    return np.array(hold(sequence), dtype=np.float64).reshape(-1, width)


def numbers(sequence: Any, dtype: type) -> np.ndarray:
    """[count] numbers from a list of them."""
    return np.fromiter(hold(sequence), dtype, len(sequence))


def per_corner(attribute: Any, width: int) -> np.ndarray | None:
    """[corners, width] float32 values of a vertex attribute, or None where the mesh has none.

    Exporters leave NaN on degenerate faces: such values become zero instead of costing the file.
    """
    if not hold(attribute).exists:
        return None
    values = vectors(attribute.values, width)
    values = np.where(np.abs(values) < LARGEST_ATTRIBUTE, values, 0.0).astype(np.float32)
    indices = numbers(attribute.indices, np.int64)
    return values[np.clip(indices, 0, len(values) - 1)] if len(values) else None


def load(data: bytes) -> Any:
    """The scene in our conventions: right-handed, Y up, metres."""
    try:
        scene = hold(
            ufbx.load_memory(
                hold(data),
                target_axes=ufbx.axes_right_handed_y_up,
                target_unit_meters=1.0,
                node_depth_limit=1000,
                clean_skin_weights=True,
            )
        )
    except ufbx.UnsupportedVersionError as error:
        raise UnsupportedError(f"this FBX version cannot be read ({error})") from None
    except ufbx.UfbxError as error:
        raise ReadError(REASONS.get(type(error).__name__, f"{DAMAGED} ({error})")) from None
    if hold(scene.metadata).file_format != ufbx.FileFormat.FBX:
        raise ReadError(REASONS["UnrecognizedFileFormatError"])
    return scene


def evaluate_transform(animation: Any, node: Any, time: float) -> tuple[float, ...]:
    """Local translation, rotation (xyzw) and scale at a time, ten numbers; plain tuples, nothing to hold."""
    translation, rotation, scale = ufbx.evaluate_transform(animation, node, time)
    return (*translation, *rotation, *scale)


def is_node(element: Any) -> bool:
    return isinstance(element, ufbx.Node)


def real_property(element: Any, name: str, default: float) -> float:
    return float(ufbx.find_real(hold(element.props), name, default))
