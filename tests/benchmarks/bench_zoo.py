"""What the zoo gives: seconds per creature, joints, triangles, topologies. `python tests/benchmarks/bench_zoo.py`."""

import argparse
import time

import numpy as np

from mocapcli.zoo import make_creature


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seconds, joints, triangles, frames = [], [], [], 0
    topologies, kinds, clips = set(), set(), set()
    for seed in range(options.seed, options.seed + options.count):
        start = time.process_time()
        asset = make_creature(seed)
        seconds.append(time.process_time() - start)
        joints.append(asset.rig.skeleton.joints)
        topologies.add(tuple(asset.rig.skeleton.parents))
        triangles.append(0 if asset.rig.mesh is None else len(asset.rig.mesh.faces))
        kinds.add(asset.rig.name.rsplit("-", 1)[0])
        clips |= {(asset.rig.name.rsplit("-", 1)[0], motion.name) for motion in asset.motions}
        frames += sum(motion.frames for motion in asset.motions)
    rows = {
        "creatures": f"{options.count} of {len(kinds)} kinds, {len(topologies)} topologies",
        "CPU seconds each": f"median {np.median(seconds):.2f}, 95 % {np.quantile(seconds, 0.95):.2f}",
        "joints": f"{min(joints)} to {max(joints)}, median {np.median(joints):.0f}",
        "triangles": f"{min(triangles)} to {max(triangles)}, median {np.median(triangles):.0f}",
        "clips": f"{len(clips)} different (kind and ability), {frames} frames at 30 fps in all",
    }
    for name, text in rows.items():
        print(f"{name:18s}{text}")  # noqa: T201


if __name__ == "__main__":
    main()
