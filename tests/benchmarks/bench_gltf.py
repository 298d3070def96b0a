"""How long a GLB of 5,000 vertices, 60 joints and 300 frames takes: python tests/benchmarks/bench_gltf.py"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factories import make_motion, make_skeleton
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import rest_world
from mocapcli.types import Asset, Mesh, Rig

VERTICES, JOINTS, FRAMES, ROUNDS = 5000, 60, 300, 7


def make_asset() -> Asset:
    """Triangles scattered about a random skeleton, four influences each, every joint moving."""
    rng = np.random.default_rng(0)
    skeleton = make_skeleton(JOINTS)
    world = rest_world(skeleton)
    weights = rng.uniform(0.1, 1.0, (VERTICES, 4))
    mesh = Mesh(
        vertices=rng.normal(size=(VERTICES, 3)),
        faces=rng.integers(0, VERTICES, (2 * VERTICES, 3)),
        skin_indices=rng.integers(0, JOINTS, (VERTICES, 4)),
        skin_weights=weights / weights.sum(axis=1, keepdims=True),
        bind_joints=np.arange(JOINTS),
        inverse_binds=np.linalg.inv(world),
    )
    return Asset(Rig(skeleton, mesh), (make_motion(skeleton, FRAMES, translated=True),))


def median(action: Callable[[], object]) -> float:
    """Middle time of several runs, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    asset = make_asset()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.glb"
        fresh = median(lambda: write_asset(path, asset))
        size = path.stat().st_size / 1e6
        read = median(lambda: read_asset(path))
        source = read_asset(path)
        clip = replace(source.motions[0], name="new")
        back = median(lambda: write_asset(path, source.with_motions([clip])))
    lines = [
        f"{VERTICES} vertices, {JOINTS} joints, {FRAMES} frames, {size:.2f} MB",
        f"read                    {read:7.1f} ms",
        f"write a new document    {fresh:7.1f} ms",
        f"write back into source  {back:7.1f} ms",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
