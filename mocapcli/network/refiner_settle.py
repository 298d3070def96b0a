"""Before anything is learnt: put the drawn body where the video's silhouette is.

The middles of the two silhouettes give a step of the roots across the view, frame by frame. What is left for the
network are turns and distance, and they are small in the picture. (Their spreads tell less of the distance than one
would hope: a body that is turned is as much wider or narrower as one that is nearer or farther.)
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.network.refiner_body import Look
from mocapcli.network.refiner_pose import NEAREST, View, World

MASK = 3  # channel of a drawing, and of a crop
LEAST = 4.0  # pixels of a silhouette that says something


def settle(world: World, look: Look, crops: Float[Tensor, "batch frames 4 side side"], view: View) -> World:
    """The pose with its roots moved; as it is where a silhouette is missing."""
    seen, seen_area = _middle(crops[:, :, MASK])
    drawn, drawn_area = _middle(look.images[:, :, MASK])
    known = (seen_area > LEAST) & (drawn_area > LEAST)
    ahead = (-look.points[..., 2]).mean(-1).clamp_min(NEAREST)
    across = (seen - drawn) / view.focal[..., None] * ahead[..., None]
    step = torch.stack([across[..., 0], -across[..., 1], torch.zeros_like(ahead)], dim=-1)
    settled = world.clone()
    settled[..., :3, 3] += torch.where(known[..., None], step, 0.0)[:, :, None]
    return settled


def _middle(masks: Float[Tensor, "batch frames side side"]) -> tuple[Tensor, Tensor]:
    """Middle (-1 … 1), and area in pixels."""
    side = masks.shape[-1]
    at = (torch.arange(side, device=masks.device) + 0.5) / side * 2 - 1
    area = masks.sum((-1, -2))
    share = masks / area.clamp_min(1e-6)[..., None, None]
    return torch.stack([share.sum(-2) @ at, share.sum(-1) @ at], dim=-1), area
