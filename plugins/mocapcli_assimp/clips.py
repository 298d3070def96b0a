"""Keyed channels to evenly spaced world matrices."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from mocapcli.errors import ReadError
from mocapcli.kinematics import compose, continuous, decompose, local_to_world, motion_from_world, slerp
from mocapcli.sampling import frame_rate
from mocapcli.types import Motion, Skeleton
from mocapcli_assimp.scene import Channel, Clip, Keys

DEFAULT_TICKS = 25.0  # assimp's documentation: what 0 ticks per second means
LARGEST = 20_000_000  # frames times joints
CHUNK = 100_000  # frames times nodes whose matrices are in memory at once


def build_motion(
    clip: Clip,
    skeleton: Skeleton,
    gauge: Float[np.ndarray, "joints 3 3"],
    parents: Int[np.ndarray, " nodes"],
    rest_local: Float[np.ndarray, "nodes 4 4"],
    node_of: dict[str, int],
    joints: Int[np.ndarray, " joints"],
) -> Motion | None:
    """The clip on the joints; None where it moves none of the nodes above them."""
    needed = _ancestors_and_self(parents, joints)
    channels = {node_of[c.node]: c for c in clip.channels if c.node in node_of and needed[node_of[c.node]]}
    lists = [keys.times for c in channels.values() for keys in (c.positions, c.rotations, c.scales) if len(keys.times)]
    lists = [times for times in lists if len(times) > 1] or lists  # lone keys hold a node, they time nothing
    if not lists:
        return None
    ticks = clip.ticks_per_second if clip.ticks_per_second > 0 else DEFAULT_TICKS
    times = np.unique(np.concatenate(lists)) / ticks
    distinct = times[np.concatenate([[True], np.diff(times) > 1e-6])]
    fps = frame_rate(distinct - times[0], ticks)
    count = (times[-1] - times[0]) * fps
    if not count * skeleton.joints < LARGEST:
        raise ReadError(f"the clip lasts {times[-1] - times[0]:.3g} s, more than can be held", place=clip.name)
    frames = times[0] + np.arange(round(count) + 1) / fps
    nodes = np.flatnonzero(needed)
    order = np.searchsorted(nodes, parents[nodes])
    order[parents[nodes] < 0] = -1
    parts = []
    for moment in _chunks(frames, max(CHUNK // len(nodes), 1)):
        local = np.repeat(rest_local[nodes][None], len(moment), axis=0)
        for node, channel in channels.items():
            local[:, np.searchsorted(nodes, node)] = sample_channel(channel, moment * ticks, rest_local[node])
        world = local_to_world(order, local)[:, np.searchsorted(nodes, joints)]
        parts.append(motion_from_world(clip.name, fps, skeleton, world, gauge))
    return _joined(parts)


def sample_channel(
    channel: Channel, ticks: Float[np.ndarray, " frames"], rest: Float[np.ndarray, "4 4"]
) -> Float[np.ndarray, "frames 4 4"]:
    """Local matrices of a node; what has no keys stays as at rest."""
    still = dict(zip(("rotations", "positions", "scales"), decompose(rest), strict=True))
    values = {}
    for name, at_rest in still.items():
        keys: Keys = getattr(channel, name)
        values[name] = (
            _sample(keys, ticks, name == "rotations") if len(keys.times) else np.tile(at_rest, (len(ticks), 1))
        )
    return compose(values["rotations"], values["positions"], values["scales"])


def _sample(keys: Keys, ticks: Float[np.ndarray, " frames"], spherical: bool) -> Float[np.ndarray, "frames components"]:
    """Values between keys; held before the first and after the last."""
    if len(keys.times) == 1:
        return np.repeat(keys.values, len(ticks), axis=0)
    high = np.clip(np.searchsorted(keys.times, ticks, side="right"), 1, len(keys.times) - 1)
    low = high - 1
    span = np.maximum(keys.times[high] - keys.times[low], 1e-12)
    weight = np.clip((ticks - keys.times[low]) / span, 0.0, 1.0)[:, None]
    weight = np.where(np.abs(weight - np.rint(weight)) < 1e-4, np.rint(weight), weight)
    first, second = keys.values[low], keys.values[high]
    if not spherical:
        return np.asarray(first * (1 - weight) + second * weight)
    return slerp(_unit(first), _unit(second), weight)


def _unit(quaternions: Float[np.ndarray, "keys 4"]) -> Float[np.ndarray, "keys 4"]:
    lengths = np.linalg.norm(quaternions, axis=1, keepdims=True)
    return np.where(lengths > 1e-8, quaternions / np.maximum(lengths, 1e-8), [0.0, 0.0, 0.0, 1.0])


def _ancestors_and_self(
    parents: Int[np.ndarray, " nodes"], joints: Int[np.ndarray, " joints"]
) -> Bool[np.ndarray, " nodes"]:
    needed = np.zeros(len(parents), dtype=bool)
    needed[joints] = True
    for node in reversed(range(len(parents))):
        if needed[node] and parents[node] >= 0:
            needed[parents[node]] = True
    return needed


def _chunks(frames: Float[np.ndarray, " frames"], size: int) -> Iterator[Float[np.ndarray, " part"]]:
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


def _joined(parts: list[Motion]) -> Motion:
    if len(parts) == 1:
        return parts[0]
    scaled = any(part.scales is not None for part in parts)
    scales = [np.ones_like(part.translations) if part.scales is None else part.scales for part in parts]
    return Motion(
        parts[0].name,
        parts[0].fps,
        continuous(np.concatenate([part.rotations for part in parts])),
        np.concatenate([part.translations for part in parts]),
        np.concatenate(scales) if scaled else None,
    )
