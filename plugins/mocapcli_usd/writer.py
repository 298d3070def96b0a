"""An asset as one SkelRoot: Skeleton, a SkelAnimation for every clip (the first one bound), meshes, materials."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdSkel, Vt

from mocapcli.errors import WriteError
from mocapcli.kinematics import motion_world, rest_world
from mocapcli.types import Asset, Motion, Skeleton
from mocapcli_usd.clips import RATE_KEY
from mocapcli_usd.identifiers import distinct, identifier
from mocapcli_usd.write_mesh import skeleton_bind, write_materials, write_meshes

ZipFileWriter = getattr(Sdf, "ZipFileWriter", None) or Usd.ZipFileWriter  # it moved in 25


def write_asset(path: Path, asset: Asset) -> None:
    """Metres, Y up; time codes are the first clip's frames."""
    if path.suffix.lower() == ".usdz":
        _write_package(path, asset)
        return
    try:
        stage = _build(asset, {})
        # `.usd` may be either kind; its temporary file decides nothing, so ask for the compact one.
        arguments = {"format": "usdc"} if path.suffix.lower() == ".usd" else {}
        stage.GetRootLayer().Export(str(path), "", arguments)
    except RuntimeError as error:  # Tf.ErrorException
        raise WriteError(f"USD refuses it: {str(error).strip().splitlines()[-1]}") from None


def _write_package(path: Path, asset: Asset) -> None:
    """A usdz: the layer first, then its images, uncompressed and aligned as Usd.ZipFileWriter does."""
    with tempfile.TemporaryDirectory(prefix="mocap-") as name:
        folder = Path(name)
        images = _image_names(asset)
        try:
            layer = folder / "scene.usdc"
            stage = _build(asset, images)  # held: a layer dies with its stage, and pxr then aborts the process
            stage.GetRootLayer().Export(str(layer))
            with ZipFileWriter.CreateNew(str(path)) as package:
                package.AddFile(str(layer), "scene.usdc")
                for data, place in images.items():
                    (folder / "image").write_bytes(data)
                    package.AddFile(str(folder / "image"), place)
        except RuntimeError as error:
            raise WriteError(f"USD refuses it: {str(error).strip().splitlines()[-1]}") from None


def _image_names(asset: Asset) -> dict[bytes, str]:
    """A place in the package for every distinct image."""
    names: dict[bytes, str] = {}
    for material in asset.rig.mesh.materials if asset.rig.mesh else ():
        if material.texture is not None and material.texture.data not in names:
            suffix = "jpg" if material.texture.mime_type == "image/jpeg" else "png"
            names[material.texture.data] = f"textures/{len(names)}.{suffix}"
    return names


def _build(asset: Asset, images: dict[bytes, str]) -> Any:
    stage = Usd.Stage.CreateInMemory()
    rig = asset.rig
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdSkel.Root.Define(stage, f"/{identifier(rig.name)}")
    root.GetPrim().SetDisplayName(rig.name)
    Usd.ModelAPI(root).SetKind(Kind.Tokens.component)
    stage.SetDefaultPrim(root.GetPrim())
    taken: set[str] = set()
    bind = skeleton_bind(rig)
    skeleton = _write_skeleton(stage, rig.skeleton, bind, _child(root, "Skeleton", taken))
    rate = asset.motions[0].fps if asset.motions else 24.0
    stage.SetTimeCodesPerSecond(rate)
    stage.SetFramesPerSecond(rate)
    stage.SetStartTimeCode(0)
    stage.SetEndTimeCode(max((motion.duration * rate for motion in asset.motions), default=0.0))
    if rig.mesh is not None:
        materials = write_materials(stage, rig.mesh, lambda name: _child(root, name, taken), images)
        write_meshes(stage, rig, bind, skeleton, lambda name: _child(root, name, taken), materials)
    for index, motion in enumerate(asset.motions):
        prim = _write_clip(stage, rig.skeleton, motion, skeleton, rate, _child(root, motion.name, taken))
        if index == 0:
            UsdSkel.BindingAPI.Apply(skeleton.GetPrim()).CreateAnimationSourceRel().SetTargets([prim.GetPath()])
    return stage


def _write_skeleton(stage: Any, skeleton: Skeleton, bind: Float[np.ndarray, "joints 4 4"], place: str) -> Any:
    prim = UsdSkel.Skeleton.Define(stage, place)
    local = np.array(rest_world(skeleton))
    children = skeleton.parents >= 0
    local[children] = np.linalg.inv(local[skeleton.parents[children]]) @ local[children]
    prim.CreateJointsAttr(Vt.TokenArray(joint_tokens(skeleton)))
    prim.CreateJointNamesAttr(Vt.TokenArray(list(skeleton.names)))
    prim.CreateBindTransformsAttr(_rows(bind))
    prim.CreateRestTransformsAttr(_rows(local))
    return prim


def joint_tokens(skeleton: Skeleton) -> list[str]:
    """Paths such as `Hips/Spine`, of identifiers; the true names are in `jointNames`."""
    taken: set[str] = set()
    tokens: list[str] = []
    for name, parent in zip(skeleton.names, skeleton.parents, strict=True):
        leaf = distinct(identifier(name), taken)
        tokens.append(leaf if parent < 0 else f"{tokens[parent]}/{leaf}")
    return tokens


def _write_clip(stage: Any, skeleton: Skeleton, motion: Motion, target: Any, rate: float, place: str) -> Any:
    prim = UsdSkel.Animation.Define(stage, place)
    prim.GetPrim().SetDisplayName(motion.name)
    prim.GetPrim().SetCustomDataByKey(RATE_KEY, motion.fps)
    prim.CreateJointsAttr(target.GetJointsAttr().Get())
    translations, scales = _half_precision_scales(skeleton, motion)
    values = (
        (prim.CreateTranslationsAttr(), Vt.Vec3fArray.FromNumpy, translations, np.float32),
        (prim.CreateRotationsAttr(), Vt.QuatfArray.FromNumpy, motion.rotations, np.float32),
        (prim.CreateScalesAttr(), Vt.Vec3hArray.FromNumpy, scales, np.float16),
    )
    # Frame k of a clip at another rate than the stage's lies between its time codes.
    codes = [k if motion.fps == rate else k / motion.fps * rate for k in range(motion.frames)]
    for attribute, convert, frames, kind in values:
        if np.abs(frames - frames[:1]).max() == 0:
            frames = frames[:1]  # a constant needs one key, but keep the last so that the length shows
        for k in range(len(frames)):
            attribute.Set(convert(np.ascontiguousarray(frames[k], dtype=kind)), codes[k])
    if motion.frames > 1:
        last = np.ascontiguousarray(motion.rotations[-1], dtype=np.float32)
        prim.GetRotationsAttr().Set(Vt.QuatfArray.FromNumpy(last), codes[-1])
    return prim


def _half_precision_scales(
    skeleton: Skeleton, motion: Motion
) -> tuple[Float[np.ndarray, "frames joints 3"], Float[np.ndarray, "frames joints 3"]]:
    """UsdSkel holds scales as halves. Offsets take up the rounding, so that joints stay exactly in place."""
    if motion.scales is None:
        return motion.translations, np.ones_like(motion.translations[:1])
    scales = np.clip(motion.scales, -65504, 65504).astype(np.float16).astype(np.float64)
    exact = motion_world(skeleton, motion)[..., :3, 3]
    rounded = Motion(motion.name, motion.fps, motion.rotations, motion.translations, scales)
    linear = motion_world(skeleton, rounded)[..., :3, :3]
    translations = motion.translations.copy()
    for joint in np.flatnonzero(skeleton.parents >= 0):
        parent = skeleton.parents[joint]
        usable = np.abs(np.linalg.det(linear[:, parent])) > 1e-12
        offset = (exact[:, joint] - exact[:, parent])[usable]
        translations[usable, joint] = np.linalg.solve(linear[usable, parent], offset[..., None])[..., 0]
    return translations, scales


def _rows(matrices: Float[np.ndarray, "joints 4 4"]) -> Any:
    """Our matrices act on columns, USD's on rows."""
    return Vt.Matrix4dArray([Gf.Matrix4d(matrix.T.tolist()) for matrix in matrices])


def _child(root: Any, name: str, taken: set[str]) -> str:
    """A path below the root that nothing else has."""
    return str(Sdf.Path(root.GetPath()).AppendChild(distinct(identifier(name), taken)))
