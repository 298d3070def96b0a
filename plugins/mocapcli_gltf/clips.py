"""Motions to glTF animations."""

import numpy as np
from jaxtyping import Float

from mocapcli.types import Motion
from mocapcli_gltf.builder import Builder
from mocapcli_gltf.document import Json

PATHS = ("translation", "rotation", "scale")
Tracks = dict[tuple[int, str], Float[np.ndarray, "frames numbers"]]  # by node and path
Rest = dict[tuple[int, str], Float[np.ndarray, " numbers"]]
SAME = 1e-7  # relative: closer to rest than float32 can say


def build_animation(builder: Builder, motion: Motion, tracks: Tracks, rest: Rest) -> Json:
    """An animation whose channels are only those that leave the rest pose.

    The first joint's rotation is always written, frame by frame: it carries the length and the frame rate.
    """
    chosen = moving_tracks(tracks, rest)
    times = np.arange(motion.frames, dtype=np.float64) / motion.fps
    full = builder.accessor(times.astype("<f4"), bounds=True)
    ends = full
    if motion.frames > 1 and any(len(values) < motion.frames for values in chosen.values()):
        ends = builder.accessor(times[[0, -1]].astype("<f4"), bounds=True)
    view = builder.view(b"".join(values.tobytes() for values in chosen.values()))
    animation: Json = {"name": motion.name, "samplers": [], "channels": [], "extras": {"fps": motion.fps}}
    offset = 0
    for (node, path), values in chosen.items():
        output = builder.shared_accessor(values, view, offset)
        offset += values.nbytes
        target = {"node": node, "path": path}
        animation["channels"].append({"sampler": len(animation["samplers"]), "target": target})
        inputs = full if len(values) == motion.frames else ends
        animation["samplers"].append({"input": inputs, "output": output, "interpolation": "LINEAR"})
    return animation


def moving_tracks(tracks: Tracks, rest: Rest) -> Tracks:
    """Float32 values of the tracks that matter; those that stand still keep a key at each end."""
    first = next(key for key in tracks if key[1] == "rotation")
    reach = max((float(np.abs(values).max()) for key, values in tracks.items() if key[1] == "translation"), default=1.0)
    chosen: Tracks = {}
    for key, values in tracks.items():
        limit = SAME * (reach if key[1] == "translation" else 10.0)
        still = np.abs(values - values[:1]).max() <= limit
        if key == first:
            still = False
        elif still and np.abs(values[0] - rest[key]).max() <= limit:
            continue
        if still and len(values) > 2:
            values = values[[0, -1]]
        chosen[key] = as_float32(values, key[1])
    return chosen


def as_float32(values: Float[np.ndarray, "frames numbers"], path: str) -> Float[np.ndarray, "frames numbers"]:
    if path == "rotation":
        values = values / np.linalg.norm(values, axis=-1, keepdims=True)
    return np.ascontiguousarray(values, dtype="<f4")
