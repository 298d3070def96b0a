"""What the rotation network is shown of a joint: all in the joint's own estimated frame, free of local axes.

Vectors are turned back by the joint's closed-form delta, into the axes of the anchor pose. So a subject that
faces another way gives the same tokens, and gravity enters as a direction.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.network.anchored import AnchoredEstimate
from mocapcli.network.anchors import bone_vectors, estimate_heading, expected_turn
from mocapcli.network.graph import ANCESTOR, PARENT, gather_parents, sum_children
from mocapcli.network.kinematics import matrix_to_rotation_vector, world_to_local_rotations
from mocapcli.network.reference import RigBatch
from mocapcli.network.whole_pose import around, from_roots, own_turns, place_joints, turns_above

Points = Float[Tensor, "batch frames joints 3"]
Features = Float[Tensor, "batch frames joints features"]

STATIC_FEATURES = 20
MOVING_FEATURES = 50
DIRECT_FEATURES = 35
FINE = 10.0  # residuals and steps are hundredths of the size: brought to order one
HEADING_FRAMES = 15
USUAL_FRAMES = 24


def anchored_features(
    positions: Points, rig: RigBatch, estimate: AnchoredEstimate, noise: Float[Tensor, "batch frames joints"]
) -> Features:
    """Static and moving features side by side."""
    static = static_features(rig)[:, None].expand(-1, positions.shape[1], -1, -1)
    moving = _moving_features(positions, rig, estimate, noise)
    return torch.cat([static, moving, _fit_features(rig, estimate)], dim=-1)


def static_features(rig: RigBatch) -> Float[Tensor, "batch joints features"]:
    """The reference pose around each joint, and how the rest pose differs from it."""
    parents, positions = rig.parents, rig.reference_positions
    bone = _bones(positions[:, None], rig)[:, 0]
    children = sum_children(rig.mask[:, None, :, None].to(bone) * (parents >= 0)[:, None, :, None], parents)[:, 0]
    forward = sum_children(bone[:, None], parents)[:, 0] / children.clamp_min(1)
    lengths = torch.stack([bone.norm(dim=-1), forward.norm(dim=-1)], dim=-1)
    flags = torch.cat([(parents < 0)[..., None], children == 0, children == 1, rig.deforms[..., None]], dim=-1).to(bone)
    above = (rig.graph.edges == PARENT) | (rig.graph.edges == ANCESTOR)
    depth = above.sum(-1, keepdim=True).to(bone)
    turn = matrix_to_rotation_vector(expected_turn(rig.anchors)[:, 0])
    place = positions - _centre(positions[:, None], rig)[:, 0]
    logs = (lengths + 1e-3).log() / 3 + 1
    return torch.cat([place, bone * 5, forward * 5, logs, flags, depth / 10, children / 3, turn], dim=-1)


def _moving_features(
    positions: Points, rig: RigBatch, estimate: AnchoredEstimate, noise: Float[Tensor, "batch frames joints"]
) -> Features:
    deltas = estimate.deltas
    heading = estimate_heading(positions, rig.anchors, HEADING_FRAMES)[:, :, None]
    anchor = rig.reference_positions[:, None]
    centre, anchor_centre = _centre(positions, rig), _centre(anchor, rig)
    bone, anchor_bone = _bones(positions, rig), _bones(anchor, rig)
    above = gather_parents(deltas, rig.parents)
    bone_off = _turn_back(above, bone) - anchor_bone
    child_off = _turn_back(deltas, sum_children(bone, rig.parents)) - sum_children(anchor_bone, rig.parents)
    place_off = _turn_back(heading, positions - centre) - (anchor - anchor_centre)
    step = _steps(positions - centre)
    travel = _steps(centre).expand_as(positions)
    up = torch.tensor([0.0, 1.0, 0.0]).to(positions).expand_as(positions)
    spin = _steps_of_rotations(deltas)
    bend = matrix_to_rotation_vector(world_to_local_rotations(deltas, rig.parents))
    root = (rig.parents < 0)[:, None, :, None]
    facing = (heading.transpose(-1, -2) @ deltas)[..., :2].flatten(-2)
    doubt = estimate.doubt.flatten(-2)[..., [0, 4, 8, 1, 2, 5]]
    reach = anchor_bone.norm(dim=-1) + 0.01
    levels = torch.stack([(noise + 1e-3).log() / 3 + 1.5, (noise / reach).clamp(max=3)], dim=-1)
    fine = torch.cat([bone_off, child_off, _turn_back(deltas, step), _turn_back(deltas, travel)], dim=-1) * FINE
    own = [place_off * 3, _turn_back(deltas, up), spin * 3, bend.masked_fill(root, 0.0), facing, doubt]
    return torch.cat([fine.clamp(-5, 5), *own, _turn_back(deltas, bone) * 5, levels], dim=-1)


def _fit_features(rig: RigBatch, estimate: AnchoredEstimate) -> Features:
    """Where joints were seen, from where the closed form puts them; what they usually do, and how steadily."""
    evidence, deltas = estimate.evidence, estimate.deltas
    root = (rig.parents < 0)[:, None, :, None]
    turns, places = deltas.double(), evidence.places
    bones = from_roots(places, bone_vectors(places, rig.anchors)[1], rig.anchors)
    off = (places - place_joints(rig.anchors, turns, bones)).to(deltas)
    own = own_turns(evidence, turns, turns_above(evidence, rig.anchors, turns)).to(deltas).masked_fill(root, 0.0)
    usual = around(own, USUAL_FRAMES)
    about = around((own - usual).square(), USUAL_FRAMES).add(1e-6).sqrt()
    return torch.cat([(_turn_back(deltas, off) * 3 * FINE).clamp(-5, 5), usual, 3 * about], dim=-1)


def direct_features(positions: Points, rig: RigBatch) -> Features:
    """The paper's inputs: positions, rest pose and reference pose–rotation pair, local rotations as 6D."""
    frames = positions.shape[1]

    def six(world: Tensor) -> Tensor:
        return world_to_local_rotations(world[:, None], rig.parents)[:, 0, ..., :2].flatten(-2)

    poses = [rig.rest_positions, rig.reference_positions]
    static = [pose - pose[:, :1] for pose in poses] + [six(rig.rest_rotations), six(rig.reference_rotations)]
    bones = [_bones(pose[:, None], rig)[:, 0] * 5 for pose in poses] + [rig.deforms[..., None].to(positions)]
    moving = [positions - positions[:, :, :1], _bones(positions, rig) * 5, _steps(positions) * FINE]
    root = (rig.parents < 0)[..., None].to(positions)
    fixed = torch.cat([*static, *bones, root], dim=-1)[:, None].expand(-1, frames, -1, -1)
    return torch.cat([fixed, *moving], dim=-1)


def _turn_back(rotations: Tensor, vectors: Points) -> Points:
    return (rotations.transpose(-1, -2) @ vectors[..., None])[..., 0]


def _bones(positions: Points, rig: RigBatch) -> Points:
    return positions - gather_parents(positions, rig.parents)


def _centre(positions: Points, rig: RigBatch) -> Float[Tensor, "batch frames 1 3"]:
    mask = rig.mask[:, None, :, None].to(positions)
    return (positions * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True)


def _steps(values: Tensor) -> Tensor:
    """Change since the frame before; none at the first."""
    return torch.cat([torch.zeros_like(values[:, :1]), values.diff(dim=1)], dim=1)


def _steps_of_rotations(rotations: Tensor) -> Points:
    turns = matrix_to_rotation_vector(rotations[:, :-1].transpose(-1, -2) @ rotations[:, 1:])
    return torch.cat([torch.zeros_like(rotations[:, :1, :, :, 0]), turns], dim=1)
