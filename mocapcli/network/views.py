"""The camera's frame and what follows from it: lifting image places to space, facing, gravity.

Camera axes here are those of the picture: x right, y up, z towards the viewer; lengths are in units of the rig's
size, around the body's centre (mean of deforming joints). Image places run from -1 to 1 over the crop, y **down**.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from mocapcli.network.best_path import best_path
from mocapcli.network.procrustes import nearest_rotation

YAW_BINS = 24
STEADINESS, SUDDEN = 1.0, 10.0  # what a turn by one bin from frame to frame costs, by its square, and any turn at most
ELSEWHERE, DOUBT = 4, 4.0  # bins that another facing is at least beside, and how much less likely it may be a frame
BESIDE, BELIEVED = 3, 0.5  # bins beside the path that may have a say, and how much of their scores is believed
NEVER = 1e4  # in scores
UPRIGHT = 0.05  # how much more of the rest pose's spread a tipped body must explain than an upright one
Places = Float[Tensor, "batch frames joints 2"]
Points = Float[Tensor, "batch frames joints 3"]


def lift(
    places: Places,
    depth: Float[Tensor, "batch frames joints"],
    half_width: Float[Tensor, "batch frames"],
    tangent: Float[Tensor, "batch frames"],
) -> Points:
    """Image places and depths to points.

    `half_width` is half the crop's width at the centre's distance, in sizes; `tangent` that of half its field of view.
    """
    distance = half_width / tangent
    width = half_width[..., None] * (1 - depth / distance[..., None])  # nearer things span less of the world
    return torch.stack([places[..., 0] * width, -places[..., 1] * width, depth], dim=-1)


def project(
    points: Points, half_width: Float[Tensor, "batch frames"], tangent: Float[Tensor, "batch frames"]
) -> Places:
    """The inverse of `lift` for the two image coordinates."""
    distance = half_width / tangent
    width = half_width[..., None] * (1 - points[..., 2] / distance[..., None]).clamp_min(0.05)
    return torch.stack([points[..., 0], -points[..., 1]], dim=-1) / width[..., None]


def centre_of(points: Points, joints: Bool[Tensor, "batch joints"]) -> Float[Tensor, "batch frames 1 3"]:
    """Mean of the chosen joints."""
    weight = joints[:, None, :, None].to(points)
    return (points * weight).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp_min(1)


def tilt_matrix(pitch: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """From the upright frame (y against gravity, z level, towards the viewer) to the camera's, which looks down."""
    cosine, sine = torch.cos(pitch), torch.sin(pitch)
    zero, one = torch.zeros_like(pitch), torch.ones_like(pitch)
    rows = [one, zero, zero, zero, cosine, -sine, zero, sine, cosine]
    matrix: Tensor = torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
    return matrix


def turn_matrix(yaw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation about the vertical."""
    cosine, sine = torch.cos(yaw), torch.sin(yaw)
    zero, one = torch.zeros_like(yaw), torch.ones_like(yaw)
    rows = [cosine, zero, sine, zero, one, zero, -sine, zero, cosine]
    matrix: Tensor = torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
    return matrix


def stance_of(
    upright: Points, rest: Float[Tensor, "batch joints 3"], joints: Bool[Tensor, "batch joints"]
) -> tuple[Float[Tensor, "batch frames"], Float[Tensor, "batch frames 3"]]:
    """The turn that carries the rest pose nearest to the observed one, as a facing (yaw) and where the body's up went.

    First comes the facing, then the body tips over the shortest way: who falls goes on facing where he faced. Bodies
    that look alike all round, as a snake does, are taken to be upright.
    """
    weight = joints[:, None, :, None].to(upright)
    here = (upright - centre_of(upright, joints)) * weight
    there = (rest[:, None] - centre_of(rest[:, None], joints)) * weight
    evidence = here.transpose(-1, -2) @ there
    evidence[..., 1, 1] += UPRIGHT * there.square().sum((-1, -2))
    turn = nearest_rotation(evidence)
    up = turn[..., 1]
    level = tip_matrix(up).transpose(-1, -2) @ turn
    return torch.atan2(level[..., 0, 2] - level[..., 2, 0], level[..., 0, 0] + level[..., 2, 2]), up


def tip_matrix(up: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The shortest turn that carries the vertical to where the body's up points; of a body upside down, a roll."""
    x, y, z = up.unbind(-1)
    share = 1 / (1 + y).clamp_min(1e-4)
    rows = [1 - x * x * share, x, -x * z * share, -x, y, -z, -x * z * share, z, 1 - z * z * share]
    matrix: Tensor = torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
    over = torch.tensor([[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]).to(up)
    return torch.where((y < -1 + 1e-4)[..., None, None], over, matrix)


def yaw_to_bins(yaw: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch bins"]:
    """Soft labels: a narrow bump over the two or three nearest of the bins."""
    distance = wrap(yaw[..., None] - bin_centres(yaw.device))
    return functional.softmax(-((distance / (2 * math.pi / YAW_BINS)) ** 2) * 2, dim=-1)


def bin_centres(device: torch.device | str = "cpu") -> Float[Tensor, " bins"]:
    return torch.arange(YAW_BINS, device=device) * (2 * math.pi / YAW_BINS)


def bins_to_yaw(bins: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    return bin_centres(bins.device)[bins]


def wrap(angle: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Into -π … π."""
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def likely_facings(
    logits: Float[Tensor, "frames bins"], shown: Bool[Tensor, " frames"]
) -> list[Float[Tensor, " frames"]]:
    """The facing (yaw) that a clip speaks for and, if it does so for another nearly as much, that as well.

    `shown`: frames that may say which of the two.
    """
    path = decide_facing(logits)
    near = (path[:, None] + torch.arange(-ELSEWHERE, ELSEWHERE + 1)) % YAW_BINS
    others = logits.scatter(1, near, float(logits.min()) - NEVER)
    other = decide_facing(others)
    scores = functional.log_softmax(logits.double(), dim=-1)
    lost = (scores.gather(1, path[:, None]) - scores.gather(1, other[:, None]))[shown].mean()
    facings = [between_bins(logits, path)]
    return [*facings, between_bins(others, other)] if lost < DOUBT else facings  # of nothing the mean is no number


def decide_facing(logits: Float[Tensor, "frames bins"]) -> Int[Tensor, " frames"]:
    """The best path of yaw bins along a clip (Viterbi): bodies turn, but not from one frame to the next.

    Unless they tumble: of a body that is all but upside down any facing fits. So any turn may be had for a price.
    """
    scores = functional.log_softmax(logits.double(), dim=-1)
    steps = torch.arange(YAW_BINS)
    apart = (steps[:, None] - steps[None, :] + YAW_BINS // 2) % YAW_BINS - YAW_BINS // 2
    prices = (STEADINESS * apart.double().square()).clamp_max(SUDDEN)
    return torch.tensor(best_path(scores, prices))


def between_bins(logits: Float[Tensor, "frames bins"], path: Int[Tensor, " frames"]) -> Float[Tensor, " frames"]:
    """The facing (yaw) along a path of bins: not their middles, but where the scores around them point."""
    beside = torch.arange(-BESIDE, BESIDE + 1, device=logits.device)
    scores = logits.gather(1, (path[:, None] + beside) % YAW_BINS).double()
    aside = functional.softmax(BELIEVED * scores, dim=-1) @ beside.double()
    return torch.remainder((path + aside) * (2 * math.pi / YAW_BINS), 2 * math.pi)
