"""NPZ, the exchange form for Python users: plain numpy arrays, no pickles, nothing but numpy needed to read them.

    import numpy as np
    clip = np.load("dragon.npz")  # allow_pickle=False, the default, is enough
    positions, names, fps = clip["clip0_positions"], clip["joint_names"], clip["clip_fps"][0]

Right-handed, Y up, metres, seconds; quaternions are unit and xyzw; local means relative to the parent joint.
J joints, C clips, T frames, V vertices, F faces, K influences, B binds, M materials, N textures.

    format_version      int       1
    rig_name            str
    joint_names         str[J]
    parents             int[J]         -1 for a root; a parent comes before its children
    rest_translations   float[J,3]     local
    rest_rotations      float[J,4]     local
    clip_names          str[C]
    clip_fps            float[C]
    clipN_rotations     float[T,J,4]   local, clip N = 0, 1, …
    clipN_translations  float[T,J,3]   local
    clipN_scales        float[T,J,3]   local; absent where nothing is scaled
    clipN_positions     float[T,J,3]   world positions of the joints: a convenience, ignored when read back

With a mesh (all absent without one; a vertex moves by the weighted sum of W[bind_joints[b]] @ inverse_binds[b]):

    vertices            float[V,3]     bind pose, world
    faces               int[F,3]
    skin_indices        int[V,K]       into the binds
    skin_weights        float[V,K]     sum to one
    bind_joints         int[B]         -1: fixed in the world
    inverse_binds       float[B,4,4]
    normals             float[V,3]     optional, as are the next three
    uvs                 float[V,2]     origin top left
    colours             float[V,4]     linear RGBA
    face_materials      int[F]         -1: none
    material_names      str[M]
    material_colours    float[M,4]     linear RGBA, times the texture
    material_textures   int[M]         which textureN; -1: none
    material_alpha      str[M]         opaque, mask or blend
    material_cutoffs    float[M]       for mask
    material_two_sided  bool[M]
    texture_names       str[N]
    texture_types       str[N]         MIME types
    textureN            uint8[…]       the image file's bytes

Strings are numpy unicode arrays; one with a NUL at its end is the only kind they cannot hold. Read back, an asset
is the same to the last bit, apart from `rig.source`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mocapcli import hookimpl
from mocapcli.extensions import Format

if TYPE_CHECKING:
    from mocapcli.types import Asset


def read(path: Path) -> "Asset":
    from mocapcli_npz.reader import read_npz

    return read_npz(path)


def write(path: Path, asset: "Asset") -> None:
    from mocapcli_npz.writer import write_npz

    write_npz(path, asset)


@hookimpl
def register_formats(register: Callable[[Format], None]) -> None:
    register(
        Format(
            "npz",
            "an NPZ archive of arrays",
            ("npz",),
            read,
            write,
            keeps=frozenset({"mesh", "materials", "textures", "motions", "scales", "translations", "rest_rotations"}),
        )
    )
