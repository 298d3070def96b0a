"""The joints of a rig that the network works on, and the way back to all of them.

The network was trained on joints that deform. Handles, poles and unweighted roots above the body stay at rest.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from mocapcli.data.simplify import kept_joints, prune_joints, simplify_asset
from mocapcli.data.windows import cut_motion
from mocapcli.kinematics import matrix_to_quat, quat_to_matrix, rest_world
from mocapcli.types import Asset, Motion


@dataclass(frozen=True, eq=False)
class Slim:
    """A rig without what deforms nothing; of its motions, the first one's first frame."""

    whole: Asset
    asset: Asset  # with the whole body
    light: Asset  # with a light one, for the network's renders
    kept: Bool[np.ndarray, " joints"]

    @classmethod
    def of(cls, asset: Asset) -> "Slim":
        known = asset.with_motions([cut_motion(motion, 0, 1) for motion in asset.motions[:1]])
        kept = kept_joints(asset.rig)
        if not asset.rig.deforms.any():
            kept = np.ones(len(kept), bool)
        return cls(asset, prune_joints(known), simplify_asset(known), kept)

    def widen(self, motion: Motion) -> Motion:
        """A motion of the slim rig on the whole one. What hangs under a joint that was left out stands on its rest."""
        if self.kept.all():
            return motion
        skeleton = self.whole.rig.skeleton
        rotations = np.tile(skeleton.rest_rotations, (motion.frames, 1, 1))
        translations = np.tile(skeleton.rest_translations, (motion.frames, 1, 1))
        rotations[:, self.kept], translations[:, self.kept] = motion.rotations, motion.translations
        rest = rest_world(skeleton)
        for joint in np.flatnonzero(self.kept):
            parent = int(skeleton.parents[joint])
            if parent < 0 or self.kept[parent]:
                continue
            above = parent
            while above >= 0 and not self.kept[above]:
                above = int(skeleton.parents[above])
            between = rest[parent] if above < 0 else np.linalg.solve(rest[above], rest[parent])
            into, origin = between[:3, :3].T, between[:3, 3]
            rotations[:, joint] = matrix_to_quat(into @ quat_to_matrix(rotations[:, joint]))
            translations[:, joint] = (translations[:, joint] - origin) @ into.T
        return replace(motion, rotations=rotations, translations=translations)
