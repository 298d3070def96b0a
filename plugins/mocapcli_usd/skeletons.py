"""The stage's skeleton: joints, rest pose, and where it stands in the world."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from pxr import Usd, UsdGeom, UsdSkel

from mocapcli.errors import ReadError
from mocapcli.kinematics import local_to_world, skeleton_from_world, world_to_local
from mocapcli.types import Skeleton, unique_names
from mocapcli_usd.stage import columns, to_metres_y_up


@dataclass(frozen=True)
class SkeletonSource:
    """A skeleton and the prim it was read from; file order may differ from ours (parents first)."""

    prim: Any
    skeleton: Skeleton
    gauge: Float[np.ndarray, "joints 3 3"]
    paths: tuple[str, ...]  # joint tokens, our order
    rest_local: Float[np.ndarray, "joints 4 4"]  # stage units
    bind_world: Float[np.ndarray, "joints 4 4"]  # skeleton space, stage units
    correction: Float[np.ndarray, "4 4"]

    def world_at(self, time: Any) -> Float[np.ndarray, "4 4"]:
        """Skeleton space to our world."""
        cache = UsdGeom.XformCache(time)
        world: np.ndarray = self.correction @ columns(cache.GetLocalToWorldTransform(self.prim))
        return world


def find_skeleton(stage: Any) -> SkeletonSource:
    """The skeleton that most meshes are bound to; the first one where none is."""
    skeletons = [prim for prim in traverse(stage) if prim.IsA(UsdSkel.Skeleton)]
    if not skeletons:
        raise ReadError("holds no skeleton (no UsdSkel Skeleton prim)")
    users = [0] * len(skeletons)
    for prim in traverse(stage):
        bound = UsdSkel.BindingAPI(prim).GetInheritedSkeleton() if prim.IsA(UsdGeom.Mesh) else None
        if bound and bound.GetPrim() in skeletons:
            users[skeletons.index(bound.GetPrim())] += 1
    return _read(stage, skeletons[int(np.argmax(users))])


def traverse(stage: Any) -> Any:
    return Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies())


def _read(stage: Any, prim: Any) -> SkeletonSource:
    schema = UsdSkel.Skeleton(prim)
    tokens = [str(token) for token in schema.GetJointsAttr().Get() or []]
    if not tokens or len(set(tokens)) != len(tokens):
        raise ReadError("the skeleton has no joints, or one twice", place=str(prim.GetPath()))
    order = _parents_first(tokens)
    paths = tuple(tokens[i] for i in order)
    parents = joint_parents(paths)
    local, bind = _poses(schema, parents, order)
    correction = to_metres_y_up(stage)
    here = columns(UsdGeom.XformCache(Usd.TimeCode.EarliestTime()).GetLocalToWorldTransform(prim))
    world = correction @ here @ local_to_world(parents, local)
    skeleton, gauge = skeleton_from_world(_names(schema, tokens, order), parents, world)
    return SkeletonSource(prim, skeleton, gauge, paths, local, bind, correction)


def _parents_first(tokens: list[str]) -> list[int]:
    """The file's order if it is fit for us (it should be), else by depth."""
    kept = list(range(len(tokens)))
    if (joint_parents(tuple(tokens)) < np.arange(len(tokens))).all():
        return kept
    return sorted(kept, key=lambda i: tokens[i].count("/"))


def joint_parents(paths: tuple[str, ...]) -> Int[np.ndarray, " joints"]:
    """Index of the closest listed ancestor path; -1 for roots."""
    index = {path: i for i, path in enumerate(paths)}
    parents = np.full(len(paths), -1, dtype=np.int64)
    for i, path in enumerate(paths):
        while parents[i] < 0 and "/" in path:
            path = path.rpartition("/")[0]
            parents[i] = index.get(path, -1)
    return parents


def _poses(
    schema: Any, parents: Int[np.ndarray, " joints"], order: list[int]
) -> tuple[Float[np.ndarray, "joints 4 4"], Float[np.ndarray, "joints 4 4"]]:
    """Rest (local) and bind (skeleton space) matrices; one stands in for the other where it is missing."""
    rest = _matrices(schema.GetRestTransformsAttr().Get(), order)
    bind = _matrices(schema.GetBindTransformsAttr().Get(), order)
    if rest is None and bind is None:
        raise ReadError("neither rest nor bind transforms", place=str(schema.GetPrim().GetPath()))
    if rest is None and bind is not None:
        rest = world_to_local(parents, bind)
    if bind is None and rest is not None:
        bind = local_to_world(parents, rest)
    return np.asarray(rest), np.asarray(bind)


def _matrices(value: Any, order: list[int]) -> Float[np.ndarray, "joints 4 4"] | None:
    if value is None or len(value) != len(order):
        return None
    matrices: np.ndarray = columns(value)[order]
    return matrices


def _names(schema: Any, tokens: list[str], order: list[int]) -> tuple[str, ...]:
    """`jointNames` where authored (any text is allowed there), else the last part of each path."""
    told = [str(name) for name in schema.GetJointNamesAttr().Get() or []]
    if len(told) != len(tokens):
        told = [token.rpartition("/")[2] for token in tokens]
    return unique_names([told[i] for i in order])
