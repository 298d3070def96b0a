"""Seconds to read and write FBX, medians: `python tests/benchmarks/bench_fbx.py [FILE.fbx …]`.

Without arguments on a made-up rig of 5,000 vertices, 60 joints and 300 frames.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from factories import make_mesh, make_motion, make_skeleton
from mocapcli.errors import ReadError
from mocapcli.formats import read_asset, write_asset
from mocapcli.isolation import run_isolated
from mocapcli.types import Asset, Mesh, Rig

REPEATS = 5
JOINTS, FRAMES, VERTICES = 60, 300, 5000


def seconds(work: Callable[[], object]) -> float:
    """Median wall-clock time of some repeats."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return median(times)


def make_large_asset() -> Asset:
    skeleton = make_skeleton(JOINTS)
    one = make_mesh(skeleton)
    copies = -(-VERTICES // len(one.vertices))
    shift = np.arange(copies) * len(one.vertices)

    def tiled(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values] * copies)

    mesh = Mesh(
        tiled(one.vertices) + np.repeat(np.arange(copies), len(one.vertices))[:, None] * 1e-3,
        np.concatenate([one.faces + offset for offset in shift]),
        tiled(one.skin_indices),
        tiled(one.skin_weights),
        one.bind_joints,
        one.inverse_binds,
        normals=tiled(one.normals),
        uvs=tiled(one.uvs),
        colours=tiled(one.colours),
        face_materials=tiled(one.face_materials),
        materials=one.materials,
    )
    return Asset(Rig(skeleton, mesh), (make_motion(skeleton, FRAMES, translated=True),))


def report(label: str, path: Path, asset: Asset) -> None:
    vertices = 0 if asset.rig.mesh is None else len(asset.rig.mesh.vertices)
    frames = sum(motion.frames for motion in asset.motions)
    size = path.stat().st_size / 1e6
    print(f"{label}: {vertices} vertices, {asset.rig.skeleton.joints} joints, {frames} frames, {size:.2f} MB")  # noqa: T201
    read = seconds(lambda: read_asset(path))
    alone = seconds(lambda: run_isolated("mocapcli_fbx.parse", path))
    copy = path.with_name("copy.fbx")
    write = seconds(lambda: write_asset(copy, asset))
    print(f"  read {read:.3f} s (of it child process {alone:.3f} s), write {write:.3f} s")  # noqa: T201


def start_up() -> float:
    """The child's own cost: a file that is refused at once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nothing.fbx"
        path.write_bytes(b"nothing")

        def refuse() -> None:
            try:
                run_isolated("mocapcli_fbx.parse", path)
            except ReadError:
                return

        return seconds(refuse)


def main(paths: list[str]) -> None:
    print(f"child process that refuses a file: {start_up():.3f} s")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        if not paths:
            asset = make_large_asset()
            path = Path(folder) / "made.fbx"
            write_asset(path, asset)
            report("made", path, asset)
        for name in paths:
            path = Path(folder) / Path(name).name
            path.write_bytes(Path(name).read_bytes())
            report(path.name, path, read_asset(path))


if __name__ == "__main__":
    main(sys.argv[1:])
