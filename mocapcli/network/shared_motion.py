"""Noise taken out of joints' places by what they have in common: all joints of a walk follow a few rhythms.

Noise moves every joint by itself, motion moves them together. So the singular vectors of a clip's places that stand out
of the noise are its motion, and the others are shrunk (Gavish & Donoho 2017, for the Frobenius norm). Noise may last:
how much of it stays from frame to frame is read off the bones, whose lengths only noise changes. What a joint does that
no other does (a jaw that opens) is given back as far as it is more than noise. Nothing is learnt.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mocapcli.network.anchored import estimate_noise
from mocapcli.network.anchors import Anchors, bone_vectors

FEWEST = 8  # frames: fewer show no rhythm
LONG = 0.03  # sizes: of shorter bones the length says little
STRETCH = 3.0  # times what noise explains: a bone whose length changes by more says nothing of noise
STEADIEST = 0.95  # noise that lasts longer is told from motion by nothing
FLOOR = 1e-4  # least noise, in sizes

Points = Float[Tensor, "batch frames joints 3"]
Noise = Float[Tensor, "batch frames joints"]
Square = Float[Tensor, "frames frames"]


def without_measured_noise(places: Points, anchors: Anchors) -> tuple[Points, Noise]:
    """Places nearer to the truth, and the noise that is left, where nobody tells how much there is: the bones do."""
    measured = estimate_noise(places, anchors)[:, None, None].expand(places.shape[:3])
    return without_noise(places, anchors, measured)


def without_noise(places: Points, anchors: Anchors, noise: Noise) -> tuple[Points, Noise]:
    """Places nearer to the truth, and the noise that is left; `noise`: the standard deviation of a coordinate.

    Gradients pass through as if the filter were given.
    """
    found, left = places.clone(), noise.clone()
    if places.shape[1] < FEWEST:
        return found, left
    lasting = steadiness(places.detach().double(), anchors, noise.double())
    for clip, kept in enumerate(anchors.mask.bool()):
        own = places[clip][:, kept].double(), noise[clip][:, kept].double()
        cleaned, shares = _cleaned(*own, float(lasting[clip]))
        found[clip, :, kept], left[clip, :, kept] = cleaned.to(found), (own[1] * shares).to(left)
    return found, left


def steadiness(places: Points, anchors: Anchors, noise: Noise) -> Float[Tensor, " batch"]:
    """How much of the noise stays from frame to frame, 0 to 1, by the lengths of bones."""
    observed, anchor = bone_vectors(places, anchors)
    off, frames = observed.norm(dim=-1) - anchor.norm(dim=-1), places.shape[1]
    usual = (2 * noise.square()).mean(1, keepdim=True)
    told = (anchors.parents >= 0)[:, None] & (anchor.norm(dim=-1) > LONG)
    told = told & (off.square().mean(1, keepdim=True) < STRETCH**2 * usual + 1e-18)
    off = torch.where(told, off, 0.0)
    stays = (off[:, 1:] * off[:, :-1]).sum((1, 2)) / off.square().sum((1, 2)).clamp_min(1e-30)
    return (stays * frames / (frames - 1)).clamp(0.0, STEADIEST)


def _cleaned(
    places: Float[Tensor, "frames joints 3"], noise: Float[Tensor, "frames joints"], lasting: float
) -> tuple[Float[Tensor, "frames joints 3"], Float[Tensor, "frames joints"]]:
    """One clip, and the share of its noise that is left."""
    middle, strength = places.mean(1, keepdim=True), noise.square().mean(0).sqrt() + FLOOR
    seen = (places - middle) / strength[:, None]
    filtered, own, left = _judged(seen.detach(), lasting)
    moved = (filtered @ seen.flatten(1)).unflatten(1, (-1, 3))
    return (moved + own[:, None] * (seen - moved)) * strength[:, None] + middle, left


@torch.no_grad()
def _judged(
    seen: Float[Tensor, "frames joints 3"], lasting: float
) -> tuple[Square, Float[Tensor, " joints"], Float[Tensor, "frames joints"]]:
    """The filter, how much of each joint's rest is its own motion, and what share of unit noise is left."""
    along = torch.arange(len(seen)).to(seen)
    noises = lasting ** (along[:, None] - along).abs()  # of each joint, from frame to frame
    filtered = _filter(seen.flatten(1), noises)
    lost = torch.eye(len(seen)).to(seen) - filtered
    rest = (lost @ seen.flatten(1)).unflatten(1, (-1, 3)).square().sum(0).mean(-1)
    own = (1 - ((lost @ noises) * lost).sum() / rest.clamp_min(1e-12)).clamp(0, 1)
    kept = filtered @ noises
    moved, both = (kept * filtered).sum(1)[:, None], kept.diagonal()[:, None]
    left = (1 - own) ** 2 * moved + 2 * own * (1 - own) * both + own**2
    return filtered, own, left.clamp(1e-4, 1).sqrt()


def _filter(seen: Float[Tensor, "frames values"], noises: Square) -> Square:
    """What takes unit noise of such a kind out of many columns, by one weighing of frames for all of them."""
    strengths, axes = torch.linalg.eigh(noises)
    root, inverse = (axes * strengths.sqrt()) @ axes.T, (axes / strengths.sqrt()) @ axes.T
    even = (inverse @ inverse).sum(0)
    mean = (even / even.sum()).expand_as(noises)  # of all frames, those weighing more that tell of more
    about = torch.eye(len(noises)).to(noises) - mean
    left, values, _ = torch.linalg.svd(inverse @ about @ seen, full_matrices=False)
    most, ratio = max(seen.shape), min(seen.shape) / max(seen.shape)
    above = values / most**0.5
    shrunk = ((above.square() - ratio - 1).square() - 4 * ratio).clamp_min(0).sqrt() / above.clamp_min(1e-12)
    kept = torch.where(above > 1 + ratio**0.5, shrunk / above.clamp_min(1e-12), 0.0)
    found: Square = mean + root @ (left * kept) @ left.T @ inverse @ about
    return found
