"""What a film shows, what the rig looks like in a pose, and how far the one is from lying on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from mocapcli.capturing.comparing import Crops, pictures_of
from mocapcli.kinematics import affine
from mocapcli.network.encoder import Encoder, sample_features
from mocapcli.network.likeness import Pictures, likeness_of
from mocapcli.network.refiner_body import Body, view_of
from mocapcli.network.refiner_pose import View
from mocapcli.network.refiner_solve import seen_points
from mocapcli.render.camera import Camera
from mocapcli.render.rasteriser import Images, OutputName, draw
from mocapcli.render.scene import Model, pose_points
from mocapcli.training.samples import with_mask

SPOTS = 200  # of the film's subject
NEAR = 0.05  # half sides: a spot with a point so near is covered
FAR = 0.15  # half sides: what is farther off pulls no harder
OUTLINE, LIKENESS, PULL = 10.0, 0.6, 3.0  # weights
REACH = 0.25  # half sides: how far around a point its like is looked for
TOLD_APART = 0.05  # cosines: what is so much more alike is the likelier place
BESIDE = 20.0  # what a half side off the subject counts for, beside likeness in those

Matrices = Float[np.ndarray, "frames joints 4 4"]
Places = Float[Tensor, "frames points 2"]
Rotations = Float[Tensor, "1 frames joints 3 3"]  # of joints, in the level frame
Points = Float[Tensor, "1 frames joints 3"]  # in sizes


@dataclass(frozen=True, eq=False)
class Film:
    """What some frames show, and from where; the subject before nothing."""

    cameras: Sequence[Camera]  # in the level frame
    pictures: Pictures
    details: list[Tensor]  # of them, by unit vectors
    outside: Float[Tensor, "frames 1 side side"]  # how far off the subject a spot is, in half sides
    inside: Float[Tensor, "frames 1 side side"]  # the picture's edges: 0 beyond them, where nobody knows what is
    spots: Places  # of the subject

    @classmethod
    def of(
        cls,
        cameras: Sequence[Camera],
        crops: Crops,
        encoder: Encoder,
        inside: Bool[np.ndarray, "frames side side"] | None = None,
    ) -> "Film":
        """`inside`: which pixels of the crops the picture shows; None: all of them."""
        inside = np.ones(crops.shape[:3], bool) if inside is None else inside
        pictures = Pictures.of(pictures_of(crops, next(encoder.parameters()).device), encoder)
        masks = crops[..., 3] > 127
        away = np.stack([_away(mask) for mask in masks])[:, None] / (crops.shape[1] / 2)
        spots = np.stack([_spots(mask) for mask in masks])
        maps = (torch.from_numpy(each).to(pictures.crops) for each in (away, inside[:, None], spots))
        details = [functional.normalize(layer, dim=1) for layer in pictures.details]
        return cls(cameras, pictures, details, *maps)

    def at(self, frames: Sequence[int]) -> "Film":
        """Some of the frames."""
        picked = torch.tensor(frames, device=self.crops.device)
        details = [level[picked] for level in self.details]
        cameras = [self.cameras[frame] for frame in frames]
        maps = (each[picked] for each in (self.outside, self.inside, self.spots))
        return Film(cameras, self.pictures.at(picked), details, *maps)

    @property
    def crops(self) -> Float[Tensor, "frames 4 side side"]:
        return self.pictures.crops

    @property
    def shown(self) -> Float[Tensor, " frames"]:
        """Whether anybody is."""
        return (self.crops[:, 3].flatten(1).amax(1) > 0.5).to(self.crops)

    @property
    def side(self) -> int:
        return int(self.crops.shape[-1])

    @property
    def view(self) -> View:
        return view_of(self.cameras).to(self.crops.device)

    @property
    def turns(self) -> Float[Tensor, "frames 3 3"]:
        """From camera axes to the level frame."""
        return torch.from_numpy(np.stack([camera.rotation for camera in self.cameras])).to(self.crops)


@dataclass(frozen=True, eq=False)
class Drawn:
    """The rig as it was drawn last: what its points look like, and where the film looks so."""

    details: list[Tensor]  # of points, by unit vectors
    seen: Float[Tensor, "frames points"]
    targets: Places
    trust: Float[Tensor, "frames points"]  # in targets, 0 … 1


@dataclass(frozen=True, eq=False)
class Figure:
    """One rig before the encoder that compares."""

    encoder: Encoder
    model: Model
    body: Body

    @torch.no_grad()
    def drawn(self, film: Film, rotations: Rotations, places: Points) -> Drawn:
        vertices, images = self._draw(film, rotations, places, ("colour", "mask", "depth"))
        size = self.body.reference.size
        surface = torch.from_numpy(self.body.sample.of(vertices) / size).to(places)
        points = (surface @ film.turns)[None]
        at, depth = film.view.project(points), torch.from_numpy(images.depth / size).to(places)[None]
        seen = seen_points(at, -points[..., 2], depth)[0].float() * _sampled(film.inside, at[0]).round()
        levels = self.encoder.details(_tensor(images, film))
        details = [functional.normalize(sample_features(level, at[0]), dim=-1) for level in levels]
        targets, trust = _targets(film, details[-1], at[0])
        return Drawn(details, seen, targets, trust * seen)

    @torch.no_grad()
    def likeness(self, film: Film, rotations: Rotations, places: Points) -> Float[Tensor, " frames"]:
        """As facings are compared."""
        images = self._draw(film, rotations, places, ("colour", "mask"))[1]
        return likeness_of(film.pictures, Pictures.of(_tensor(images, film), self.encoder))

    def likeness_of(self, film: Film, world: Matrices) -> Float[Tensor, " frames"]:
        """The same of a pose in metres."""
        sizes = world[None, ..., :3, 3] / self.body.reference.size
        told = (torch.from_numpy(values).to(film.crops) for values in (world[None, ..., :3, :3], sizes))
        return self.likeness(film, *told)

    def labelled(self, film: Film, rotations: Rotations, places: Points) -> Images:
        """Drawn, and which vertex is nearest at each pixel."""
        return self._draw(film, rotations, places, ("colour", "mask"), np.arange(len(self.model.mesh.vertices)))[1]

    def metres(self, rotations: Rotations, places: Points) -> Matrices:
        turns, points = (values[0].detach().double().cpu().numpy() for values in (rotations, places))
        return affine(turns, points * self.body.reference.size)

    def _draw(
        self,
        film: Film,
        rotations: Rotations,
        places: Points,
        outputs: Sequence[OutputName],
        labels: Int[np.ndarray, " vertices"] | None = None,
    ) -> tuple[Float[np.ndarray, "frames vertices 3"], Images]:
        """The surface where it is, and what it looks like."""
        vertices, normals = pose_points(self.model, self.metres(rotations, places))
        near = 0.01 * self.body.reference.size
        cameras = [replace(camera, near=near) for camera in film.cameras]
        surface = self.model.surface
        threads = 1 if places.device.type == "cpu" else None  # there the processor's cores have windows of their own
        images = draw(
            vertices, normals, surface, cameras, background=(0, 0, 0), outputs=outputs, labels=labels, threads=threads
        )
        return vertices, images


def _tensor(images: Images, film: Film) -> Float[Tensor, "frames 4 side side"]:
    """Cut by the edges of the picture, as the film is."""
    return pictures_of(with_mask(images.colour, images.mask), film.crops.device) * film.inside


def off(film: Film, drawn: Drawn, seen: Places) -> Tensor:
    """How far the surface's points, where they are seen now, are from lying on the film."""
    outside = _sampled(film.outside, seen) + (seen.abs() - 1).clamp_min(0).sum(-1)
    with torch.no_grad():  # gradients pass to the nearest alone: nothing is to be kept of the others
        nearest, shows = torch.cdist(film.spots, seen).argmin(-1), _sampled(film.inside, seen)
    bare = (film.spots - seen.gather(1, nearest[..., None].expand_as(film.spots))).norm(dim=-1) - NEAR
    bare = bare.clamp_min(0) * film.shown[:, None]
    outline = (shows * _bounded(outside)).mean() + _bounded(bare).mean()
    shown = drawn.seen.sum(1).clamp_min(1)
    unlike = seen.new_zeros(len(seen))
    for level, there in zip(film.details, drawn.details, strict=True):
        here = sample_features(level, seen)
        cosine = (here * there).sum(-1) / here.norm(dim=-1).clamp_min(1e-12)
        unlike = unlike + ((1 - cosine) * drawn.seen).sum(1) / shown
    pull = (_bounded((seen - drawn.targets).norm(dim=-1)) * drawn.trust).sum(1) / shown
    total: Tensor = OUTLINE * outline + LIKENESS * unlike.mean() + PULL * pull.mean()
    return total


def _sampled(maps: Float[Tensor, "frames 1 side side"], at: Places) -> Float[Tensor, "frames points"]:
    """Beyond a crop as at its rim."""
    found = functional.grid_sample(maps, at[:, :, None], padding_mode="border", align_corners=False)
    return found[:, 0, :, 0]


def _targets(
    film: Film, there: Float[Tensor, "frames points channels"], at: Places
) -> tuple[Places, Float[Tensor, "frames points"]]:
    """Where around each point the film looks like it, and how sure that is.

    Likeness alone pulls no farther than a cell of features is wide; limbs are off by more.
    """
    level = film.details[-1]
    rows, columns = level.shape[-2:]
    down, across = ((torch.arange(count).to(at) + 0.5) * (2 / count) - 1 for count in (rows, columns))
    cells = torch.cartesian_prod(down, across).flip(-1)
    outside = functional.interpolate(film.outside, size=(rows, columns), mode="area").flatten(1)
    likely = (there @ level.flatten(2)) / TOLD_APART - BESIDE * outside[:, None]
    near = torch.cdist(at, cells.expand(len(at), -1, -1)).square() / (2 * REACH**2)
    share = functional.softmax(likely - near, dim=-1)
    return share @ cells, share.square().sum(-1)


def _bounded(distance: Tensor) -> Tensor:
    return torch.where(distance < FAR, distance.square() / (2 * FAR), distance - FAR / 2)


def _away(mask: Bool[np.ndarray, "side side"]) -> Float[np.ndarray, "side side"]:
    """How far each pixel is from a mask, in pixels; from an empty one nothing is."""
    return np.asarray(distance_transform_edt(~mask)) if mask.any() else np.zeros(mask.shape)


def _spots(mask: Bool[np.ndarray, "side side"]) -> Float[np.ndarray, "spots 2"]:
    """Some pixels of a mask, -1 … 1; always the same. Of an empty one: the middle."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros((SPOTS, 2))
    picked = np.random.default_rng(0).choice(len(rows), SPOTS, replace=len(rows) < SPOTS)
    return np.stack([columns[picked], rows[picked]], axis=-1) * (2 / len(mask)) + (1 / len(mask) - 1)
