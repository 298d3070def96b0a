"""What `Rig.source` keeps of a glTF document, so that it can be written back with nothing lost."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from mocapcli.types import Mesh, Motion, Skeleton
from mocapcli_gltf.beyond import beyond
from mocapcli_gltf.document import Document
from mocapcli_gltf.hierarchy import Hierarchy


@dataclass(frozen=True, eq=False)
class GltfSource:
    """The document read, which node is which joint, and which animation became which motion."""

    document: Document = field(repr=False)
    hierarchy: Hierarchy = field(repr=False)
    skeleton: Skeleton = field(repr=False)
    joints: list[int]  # node of each joint
    gauge: Float[np.ndarray, "joints 3 3"] = field(repr=False)
    motions: dict[int, Motion] = field(repr=False)  # by animation
    mesh: Mesh | None = field(default=None, repr=False)
    is_vrm: bool = False
    format: ClassVar[str] = "gltf"

    @cached_property
    def beyond(self) -> tuple[str, ...]:
        """What only the document has a place for: lost wherever it is not written back."""
        return beyond(self.document.json, set(self.motions))
