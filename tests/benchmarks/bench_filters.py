"""What the filters do to zoo walks, clean and with noise: `python tests/benchmarks/bench_filters.py`.

Noise: 1° on every joint's rotation and 0.3 % of the rig's height on the root, frame by frame. Lengths are per cent
of the rig's height, speeds of standing feet per cent of it a frame, jerk is the mean third difference of joint places.
"""

import time
from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from mocapcli.filters.chain import apply_filters, parse_filters
from mocapcli.filters.feet import find_feet, find_stands, rig_height
from mocapcli.kinematics import continuous, joint_positions
from mocapcli.types import Motion, Rig
from mocapcli.zoo import make_creature

KINDS = ("biped", "quadruped", "theropod", "spider", "insect")
CHAINS = (("smooth",), ("smooth:method=one-euro",), ("smooth", "contact"))


def noisy(motion: Motion, degrees: float, metres: float) -> Motion:
    rng = np.random.default_rng(0)
    turns = Rotation.from_rotvec(rng.normal(0, np.radians(degrees), (motion.frames * motion.joints, 3)))
    rotations = (Rotation.from_quat(motion.rotations.reshape(-1, 4)) * turns).as_quat().reshape(motion.rotations.shape)
    translations = np.array(motion.translations)
    translations[:, 0] += rng.normal(0, metres, (motion.frames, 3))
    return replace(motion, rotations=continuous(rotations), translations=translations)


def standing_speed(rig: Rig, guide: np.ndarray, places: np.ndarray, fps: float) -> float:
    """Mean speed of feet while `guide` has them stand."""
    speeds = []
    for foot in find_feet(rig.skeleton, guide, 0.12):
        for stand in find_stands(foot.point(guide), fps, 0.06, 0.25, rig_height(rig.skeleton)):
            steps = np.diff(foot.point(places)[stand.first : stand.last + 1], axis=0)
            speeds.append(np.linalg.norm(steps, axis=-1).mean())
    return float(np.mean(speeds)) if speeds else float("nan")


def main() -> None:
    print(  # noqa: T201
        f"{'walk':10} {'filters':24} {'clean moves by':>15} {'error before, after':>20} {'jerk':>12} {'feet':>14} ms"
    )
    for kind in KINDS:
        asset = make_creature(1, kind)
        clean, rig = asset.motions[0], asset.rig
        size = rig_height(rig.skeleton)
        truth, rough = joint_positions(rig.skeleton, clean), noisy(clean, 1.0, 0.003 * size)
        before = joint_positions(rig.skeleton, rough)
        for chain in CHAINS:
            steps = parse_filters(chain)
            start = time.perf_counter()
            filtered = apply_filters(rough, rig, steps)
            spent = time.perf_counter() - start
            after = joint_positions(rig.skeleton, filtered)
            kept = joint_positions(rig.skeleton, apply_filters(clean, rig, steps))
            guide = joint_positions(rig.skeleton, apply_filters(rough, rig, parse_filters(["smooth"])))
            errors = [100 * np.linalg.norm(p - truth, axis=-1).mean() / size for p in (before, after)]
            jerks = [100 * np.linalg.norm(np.diff(p, 3, axis=0), axis=-1).mean() / size for p in (before, after)]
            feet = [100 * standing_speed(rig, guide, p, clean.fps) / size for p in (before, after)]
            moved = 100 * np.linalg.norm(kept - truth, axis=-1).mean() / size
            print(  # noqa: T201
                f"{kind:10} {'+'.join(chain):24} {moved:14.3f}% {errors[0]:9.2f} {errors[1]:10.2f} "
                f"{jerks[0]:6.2f} {jerks[1]:5.2f} {feet[0]:8.3f} {feet[1]:5.3f} {1000 * spent:4.0f}"
            )


if __name__ == "__main__":
    main()
