"""The angles of two exported files, recomputed with numpy and scipy alone, sharing no code with mocapcli."""

import numpy as np
from scipy.spatial.transform import Rotation


def angles(predicted_file, truth_file, reference_positions=None):
    """Local (deforming joints), local (all) and bone-weighted world error in degrees."""
    predicted, truth = np.load(predicted_file), np.load(truth_file)
    parents, count = truth["parents"], len(truth["parents"])
    deforms = np.ones(count, bool)
    if "bind_joints" in truth:
        used = truth["bind_joints"][truth["skin_indices"][truth["skin_weights"] > 0]]
        deforms = np.isin(np.arange(count), used)
    world = []
    for file in (predicted, truth):
        local = [Rotation.from_quat(file["clip0_rotations"][:, j]) for j in range(count)]
        turned = []
        for j in range(count):
            turned.append(local[j] if parents[j] < 0 else turned[parents[j]] * local[j])
        world.append((local, turned))
    (local_a, world_a), (local_b, world_b) = world
    local_error, world_error = (
        np.array([np.degrees((a.inv() * b).magnitude()).mean() for a, b in zip(first, second, strict=True)])
        for first, second in ((local_a, local_b), (world_a, world_b))
    )
    at = truth["clip0_positions"][0] if reference_positions is None else reference_positions
    bone = np.zeros(count)
    for j in range(count):
        if parents[j] >= 0:
            bone[parents[j]] = max(bone[parents[j]], np.linalg.norm(at[j] - at[parents[j]]))
    weights = bone * deforms
    return local_error[deforms].mean(), local_error.mean(), (world_error * weights).sum() / weights.sum()
