"""One video and one rig to an animation on exactly that rig: `mocapcli.capture("video.mp4", "dragon.glb")`.

`api` is the way through: `clip` cuts crops, `reading` finds the pose, `motion` puts it on the rig, `deliver` writes
what was asked for. Reading is `inference` (`sight`: places and facings, `comparing` them by drawing the rig, `space`,
`turning`, `placing`), `refine` (stage 3), `matching` (`match_film`, `match_pose`, `match_limbs`), and `leaning`, which
tells how the camera was held. `polish` and `steady` come last.
"""

from typing import TYPE_CHECKING, Any

from mocapcli.installed import need_network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mocapcli.types import Asset, Motion, Rig


def capture(
    video: "str | Path",
    rig: "Asset | Rig | str | Path",
    *,
    progress: "Callable[[str, int, int], object] | None" = None,
    **options: Any,
) -> "Motion":
    """The motion of a video's subject on a rig.

    `options` are the fields of `mocapcli.capturing.options.Options`, those of `mocap capture`; `progress` is told
    stage, frames just done and frames in all.
    """
    need_network("capture")
    from mocapcli.capturing.api import capture_video, silent
    from mocapcli.capturing.options import Options

    return capture_video(video, rig, Options.given(**options), progress=progress or silent).motion
