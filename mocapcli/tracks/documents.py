"""JSON, in three forms: a table, named frames, and the people of OpenPose.

    {"names": ["hip", …], "fps": 30, "positions": [[[x, y, z], …], …], "confidence": [[…], …]}
    {"fps": 30, "frames": [{"hip": [x, y, z], …}, …]}
    {"people": [{"pose_keypoints_3d": [x, y, z, confidence, …]}]}, or a list of such, one a frame

`units` ("mm") and `up` ("z") may stand beside; a missing point is null.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mocapcli.errors import ReadError
from mocapcli.tracks.arrays import metres_per, up_axis
from mocapcli.tracks.data import Tracks
from mocapcli.tracks.numbers import check_count
from mocapcli.tracks.read import choose, told_rate

BODY_25 = (
    "Nose Neck RShoulder RElbow RWrist LShoulder LElbow LWrist MidHip RHip RKnee RAnkle LHip LKnee LAnkle "
    "REye LEye REar LEar LBigToe LSmallToe LHeel RBigToe RSmallToe RHeel"
).split()
FORMS = "positions with names, or frames, or people"


def read(path: Path, which: str | None = None, fps: float | None = None) -> Tracks:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ReadError(f"damaged JSON ({error})") from None
    if isinstance(content, list):
        content = {"frames": content}
    if not isinstance(content, dict):
        raise ReadError("this JSON holds no tracks", remedy=f"it needs {FORMS}")
    if "people" in content:
        content = {"frames": [content]}
    names, points, confidence = _points(content, which)
    told = content.get("fps")
    rate = told_rate(float(told) if isinstance(told, int | float) else None, fps)
    unit, up = (value if isinstance(value := content.get(key), str) else None for key in ("units", "up"))
    return Tracks(names, rate, points, confidence, metres_per(unit), up_axis(up))


def _points(content: dict[str, Any], which: str | None) -> tuple[tuple[str, ...], np.ndarray, np.ndarray | None]:
    if "positions" in content and "names" in content:
        names = tuple(str(name) for name in content["names"])
        points = [[_point(point) for point in frame] for frame in content["positions"]]
        seen = content.get("confidence")
        return names, _array(points), None if seen is None else _array(seen)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise ReadError("this JSON holds no tracks", remedy=f"it needs {FORMS}")
    if "people" in frames[0]:
        return _openpose(frames, which)
    names = tuple(dict.fromkeys(name for frame in frames for name in frame))
    check_count(3 * len(names) * len(frames))
    return names, _array([[_point(frame.get(name)) for name in names] for frame in frames]), None


def _openpose(frames: list[dict[str, Any]], which: str | None) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """One person of every frame; where it is missing, nothing was seen."""
    most = max(len(frame.get("people", ())) for frame in frames)
    person = choose("person", [str(number) for number in range(most)], which)
    check_count(4 * len(BODY_25) * len(frames))
    rows = np.full((len(frames), len(BODY_25), 4), np.nan)
    for row, frame in zip(rows, frames, strict=True):
        people = frame.get("people", ())
        flat = people[person].get("pose_keypoints_3d", ()) if person < len(people) else ()
        if len(flat) not in (0, rows[0].size):
            raise ReadError(f"{len(flat)} numbers for a person", remedy="only OpenPose's BODY_25 in 3D is known")
        if flat:
            row[:] = _array(flat).reshape(-1, 4)
    if not np.isfinite(rows).any():
        raise ReadError("nobody has pose_keypoints_3d", remedy="triangulate 2D keypoints first")
    rows[rows[..., 3] == 0] = np.nan  # OpenPose's way to say unseen
    return tuple(BODY_25), rows[..., :3], np.nan_to_num(rows[..., 3])


def _point(value: Any) -> list[float]:
    if value is None:
        return [np.nan] * 3
    if not isinstance(value, list) or len(value) < 3:
        raise ReadError("a point must be [x, y, z] or null")
    return [np.nan if number is None else float(number) for number in value[:3]]


def _array(values: Any) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except (ValueError, TypeError):
        raise ReadError("frames differ in their number of points") from None
