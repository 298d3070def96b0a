"""Which tracks stand for which joint: told by the user, else by name, else by what people call a body's landmarks."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from mocapcli.errors import InvalidDataError, ReadError, UsageError
from mocapcli.retarget_names import match_joints
from mocapcli.solving.landmarks import match_landmarks, speaks_of_points
from mocapcli.toml_text import parse_toml
from mocapcli.tracks.data import Tracks

LARGEST_MAP = 1 << 22  # bytes


@dataclass(frozen=True)
class JointMap:
    """For every joint the indices of its tracks (none: not observed), and how each pair was found."""

    joints: tuple[str, ...]
    tracks: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]
    reasons: tuple[str, ...]

    @property
    def matched(self) -> list[int]:
        return [joint for joint, sources in enumerate(self.sources) if sources]

    @property
    def idle(self) -> list[str]:
        """Tracks that stand for nothing."""
        used = {track for sources in self.sources for track in sources}
        return [name for track, name in enumerate(self.tracks) if track not in used]

    def track_names(self, joint: int) -> str:
        return " + ".join(self.tracks[track] for track in self.sources[joint])


def map_joints(joints: Sequence[str], tracks: Sequence[str], told: Iterable[str] = ()) -> JointMap:
    """Pairs told (`Hips=RASI+LASI`, `Neck=` for none, or a file of pairs) before pairs found by name."""
    sources: list[tuple[int, ...]] = [()] * len(joints)
    reasons = [""] * len(joints)
    fixed = _told(joints, tracks, told)
    for joint, places in fixed.items():
        sources[joint], reasons[joint] = places, "told"
    ways = [(match_joints, "name"), (match_landmarks, "landmark")]
    for find, reason in reversed(ways) if speaks_of_points(tracks, joints) else ways:
        used = {track for places in sources for track in places}
        free_tracks = [track for track in range(len(tracks)) if track not in used]
        free_joints = [joint for joint in range(len(joints)) if joint not in fixed and not sources[joint]]
        found = find([tracks[track] for track in free_tracks], [joints[joint] for joint in free_joints])
        for joint, place in zip(free_joints, found.sources.tolist(), strict=True):
            if place >= 0:
                sources[joint], reasons[joint] = (free_tracks[place],), reason
    return JointMap(tuple(joints), tuple(tracks), tuple(sources), tuple(reasons))


def observed(
    tracks: Tracks, mapping: JointMap, least_confidence: float
) -> tuple[Float[np.ndarray, "frames joints 3"], Float[np.ndarray, "frames joints"]]:
    """Each joint's place, the mean of its tracks, and how far it can be trusted (0 … 1); NaN where a track is missing.

    Of several tracks all must be seen, or the mean would jump.
    """
    positions = np.full((tracks.frames, len(mapping.joints), 3), np.nan)
    trust = np.zeros(positions.shape[:2])
    confidence = np.ones(tracks.positions.shape[:2]) if tracks.confidence is None else tracks.confidence
    for joint in mapping.matched:
        sources = list(mapping.sources[joint])
        trust[:, joint] = confidence[:, sources].min(axis=1)
        positions[:, joint] = tracks.positions[:, sources].mean(axis=1)
    positions[trust < least_confidence] = np.nan
    trust[np.isnan(positions[..., 0])] = 0.0
    return positions, trust


def _told(joints: Sequence[str], tracks: Sequence[str], told: Iterable[str]) -> dict[int, tuple[int, ...]]:
    pairs: dict[int, tuple[int, ...]] = {}
    for wish in told:
        for joint, names in _pairs(wish, tracks).items():
            place = _index(joint, joints, "joint of the rig")
            pairs[place] = tuple(_index(name, tracks, "track") for name in names)
    return pairs


def _pairs(wish: str, tracks: Sequence[str]) -> dict[str, list[str]]:
    """`Hips=RASI+LASI`, or what a file of pairs holds."""
    path = Path(wish)
    if "=" in wish and not path.is_file():
        joint, _, names = wish.partition("=")
        return {joint.strip(): _split(names, tracks)}
    if not path.is_file():
        raise UsageError(f"--map {wish!r} is neither JOINT=TRACK nor a file", remedy="as in --map Hips=pelvis")
    return {joint: _names(value, tracks, path) for joint, value in _file_pairs(path).items()}


def _file_pairs(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LARGEST_MAP:
        raise ReadError("too large for a list of names", path=path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".json":
            content = json.loads(text)
        elif path.suffix.lower() == ".toml":
            content = parse_toml(text)
        else:
            rows = [row for row in csv.reader(text.splitlines()) if any(row)]
            content = {row[0].strip(): "+".join(cell.strip() for cell in row[1:] if cell.strip()) for row in rows}
    except (ValueError, RecursionError, csv.Error) as error:
        raise ReadError(f"damaged ({error})", path=path) from None
    if not isinstance(content, dict):
        raise ReadError("this is no table of names", path=path, remedy='as in {"Hips": "pelvis"}')
    return content


def _names(value: Any, tracks: Sequence[str], path: Path) -> list[str]:
    if isinstance(value, str):
        return _split(value, tracks)
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return value
    raise ReadError(f"{value!r} is neither a name nor a list of names", path=path)


def _split(names: str, tracks: Sequence[str]) -> list[str]:
    """Names joined by `+`, unless a track is really called so."""
    if names.strip() in tracks:
        return [names.strip()]
    return [name.strip() for name in names.split("+") if name.strip()]


def _index(name: str, names: Sequence[str], what: str) -> int:
    if name in names:
        return list(names).index(name)
    near = get_close_matches(name, names, 3, 0.4)
    raise InvalidDataError(
        f"no {what} is called {name!r}", remedy=f"did you mean {', '.join(near)}?" if near else "see --list"
    )
