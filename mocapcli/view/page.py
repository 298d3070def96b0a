"""One page with everything in it: the asset as GLB, three.js and our viewer. Nothing is fetched when it is opened."""

import base64
import html
import json
import re
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mocapcli.errors import UnsupportedError
from mocapcli.formats import write_asset
from mocapcli.kinematics import motion_world, rest_world
from mocapcli.render.capsules import joint_colours
from mocapcli.render.scene import Model, World, prepare
from mocapcli.render.viewpoints import extent_of
from mocapcli.types import Asset, Motion
from mocapcli.whole_file import whole_file

LARGEST = 300 << 20  # bytes of GLB; browsers hold no string much longer
TRAVELS = 0.4  # of its size a subject must go for the camera to follow


def write_page(path: Path, asset: Asset, title: str) -> int:
    """Write the page and return its size in bytes."""
    content = page(asset, title).encode("utf-8", "replace")
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def page(asset: Asset, title: str) -> str:
    """The page as text."""
    folder = files("mocapcli.view")
    parts = {
        "title": html.escape(title),
        "style": folder.joinpath("page.css").read_text("utf-8"),
        "facts": safe_json(facts_of(asset)),
        "asset": base64.b64encode(glb_of(asset)).decode("ascii"),
        "viewer": folder.joinpath("viewer.min.js").read_text("utf-8"),
    }
    template = folder.joinpath("page.html").read_text("utf-8")
    # In one pass, so that a title such as "{{asset}}" stays what it is.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def safe_json(value: Any) -> str:
    """JSON that may stand in a script element: no name in it can end the element or start a comment."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def glb_of(asset: Asset) -> bytes:
    """The asset written plainly: extensions of the original document might need decoders the page lacks."""
    plain = replace(asset, rig=replace(asset.rig, source=None))
    with tempfile.TemporaryDirectory(prefix="mocap-view-") as folder:
        path = Path(folder) / "asset.glb"
        write_asset(path, plain)
        if path.stat().st_size > LARGEST:
            raise UnsupportedError(
                f"{path.stat().st_size >> 20} MB are too much for a page", remedy="choose one --clip"
            )
        return path.read_bytes()


def facts_of(asset: Asset) -> dict[str, Any]:
    """What the page needs beside the GLB."""
    skeleton, mesh = asset.rig.skeleton, asset.rig.mesh
    model = prepare(asset.rig)
    colours, deforms = joint_colours(skeleton), asset.rig.deforms
    counts = f"{skeleton.joints} joints"
    if mesh is not None and len(mesh.faces):
        counts += f", {len(mesh.vertices)} vertices, {len(mesh.faces)} triangles"
    return {
        "summary": f"{counts}, {len(asset.motions)} clip{'s' * (len(asset.motions) != 1)}",
        "joints": [
            {
                "name": name,
                "parent": int(skeleton.parents[joint]),
                "colour": [round(float(c), 3) for c in colours[joint]],
                "deforms": bool(deforms[joint]),
            }
            for joint, name in enumerate(skeleton.names)
        ],
        "clips": [clip_facts(model, motion) for motion in asset.motions],
        "rest": room(model, rest_world(skeleton)[None]),
    }


def clip_facts(model: Model, motion: Motion) -> dict[str, Any]:
    world = motion_world(model.rig.skeleton, motion)
    return {"name": motion.name, "fps": motion.fps, "frames": motion.frames, **room(model, world)}


def room(model: Model, world: World) -> dict[str, Any]:
    """Where the subject is and how far it goes. One that goes far is boxed as if it went nowhere."""
    extent = extent_of(model, world)
    points = extent.points
    centres = world[..., :3, 3].mean(axis=1)
    way = (centres - centres[0]) * (1, 0, 1)
    travels = bool(np.ptp(way, axis=0).max() > TRAVELS * extent.size)
    if travels:
        points = points - way[extent.frames][:, None]
    return {
        "ground": extent.ground,
        "size": extent.size,
        "low": points.min(axis=(0, 1)).tolist(),
        "high": points.max(axis=(0, 1)).tolist(),
        "start": centres[0].tolist(),
        "travels": travels,
    }
