"""Small files in formats only assimp reads, written from an asset by the letter of each format."""

import struct
from pathlib import Path

import numpy as np

from mocapcli.kinematics import compose, motion_world, rest_world
from mocapcli.types import Asset, Mesh, Skeleton


def numbers(values) -> str:
    return " ".join(f"{float(value):.9g}" for value in np.asarray(values).ravel())


def local_rest(skeleton: Skeleton) -> np.ndarray:
    return compose(skeleton.rest_rotations, skeleton.rest_translations)


def influences(mesh: Mesh) -> list[list[tuple[int, float]]]:
    """For every vertex its (joint, weight) pairs."""
    joints = mesh.bind_joints[mesh.skin_indices]
    return [
        [(int(joint), float(weight)) for joint, weight in zip(row, weights, strict=True) if weight > 0]
        for row, weights in zip(joints, mesh.skin_weights, strict=True)
    ]


# Collada ------------------------------------------------------------------------------------------------


def write_collada(path: Path, asset: Asset, up: str = "Y_UP", metre: float = 1.0, image: str | None = None) -> None:
    """A skinned mesh, a node tree and, for the first clip, baked matrix animations."""
    skeleton, mesh = asset.rig.skeleton, asset.rig.mesh
    material = f"<texture texture='{image and 'sampler'}' texcoord='UV'/>" if image else "<color>0.2 0.4 0.8 1</color>"
    picture = (
        f"<library_images><image id='image'><init_from>{image}</init_from></image></library_images>" if image else ""
    )
    sampling = (
        "<newparam sid='surface'><surface type='2D'><init_from>image</init_from></surface></newparam>"
        "<newparam sid='sampler'><sampler2D><source>surface</source></sampler2D></newparam>"
        if image
        else ""
    )
    path.write_text(
        f"""<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit name="unit" meter="{metre}"/><up_axis>{up}</up_axis></asset>{picture}
<library_effects><effect id="effect"><profile_COMMON>{sampling}<technique sid="common"><lambert>
<diffuse>{material}</diffuse></lambert></technique></profile_COMMON></effect></library_effects>
<library_materials><material id="paint" name="paint"><instance_effect url="#effect"/></material></library_materials>
<library_geometries>{_collada_geometry(mesh)}</library_geometries>
<library_controllers>{_collada_controller(skeleton, mesh)}</library_controllers>
<library_animations>{_collada_animations(asset)}</library_animations>
<library_visual_scenes><visual_scene id="scene">{_collada_nodes(skeleton)}
<node id="body" name="body"><instance_controller url="#skin"><skeleton>#j0</skeleton><bind_material>
<technique_common><instance_material symbol="paint" target="#paint"/></technique_common></bind_material>
</instance_controller></node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#scene"/></scene></COLLADA>""",
        encoding="utf-8",
    )


def _collada_source(name: str, kind: str, values, stride: int, parameter: str) -> str:
    count = len(values.split()) if isinstance(values, str) else np.asarray(values).size
    text = values if isinstance(values, str) else numbers(values)
    inner = {"float4x4": "float4x4", "Name": "name"}.get(kind, "float")
    array = "Name_array" if kind == "Name" else "float_array"
    return (
        f"<source id='{name}'><{array} id='{name}-a' count='{count}'>{text}</{array}><technique_common>"
        f"<accessor source='#{name}-a' count='{count // stride}' stride='{stride}'>"
        f"<param name='{parameter}' type='{inner}'/></accessor></technique_common></source>"
    )


def _collada_geometry(mesh: Mesh) -> str:
    xyz = "".join(f"<param name='{axis}' type='float'/>" for axis in "XYZ")
    place = _collada_source("place", "float", mesh.vertices, 3, "X").replace("<param name='X' type='float'/>", xyz)
    uv = _collada_source("uv", "float", mesh.uvs * [1, -1] + [0, 1], 2, "S").replace(
        "<param name='S' type='float'/>", "<param name='S' type='float'/><param name='T' type='float'/>"
    )
    corners = " ".join(f"{vertex} {vertex}" for vertex in mesh.faces.ravel())
    return (
        f"<geometry id='shape'><mesh>{place}{uv}"
        "<vertices id='vertices'><input semantic='POSITION' source='#place'/></vertices>"
        f"<triangles count='{len(mesh.faces)}' material='paint'>"
        "<input semantic='VERTEX' source='#vertices' offset='0'/>"
        f"<input semantic='TEXCOORD' source='#uv' offset='1' set='0'/><p>{corners}</p></triangles></mesh></geometry>"
    )


def _collada_controller(skeleton: Skeleton, mesh: Mesh) -> str:
    rows = influences(mesh)
    pairs = " ".join(f"{joint} {index}" for index, (joint, _) in enumerate(pair for row in rows for pair in row))
    names = " ".join(f"s{joint}" for joint in range(skeleton.joints))
    inverse = np.linalg.inv(rest_world(skeleton))
    return (
        "<controller id='skin'><skin source='#shape'><bind_shape_matrix>1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"
        f"</bind_shape_matrix>{_collada_source('names', 'Name', names, 1, 'JOINT')}"
        f"{_collada_source('inverse', 'float4x4', inverse, 16, 'TRANSFORM')}"
        f"{_collada_source('weights', 'float', [weight for row in rows for _, weight in row], 1, 'WEIGHT')}"
        "<joints><input semantic='JOINT' source='#names'/>"
        "<input semantic='INV_BIND_MATRIX' source='#inverse'/></joints>"
        f"<vertex_weights count='{len(rows)}'><input semantic='JOINT' source='#names' offset='0'/>"
        "<input semantic='WEIGHT' source='#weights' offset='1'/>"
        f"<vcount>{' '.join(str(len(row)) for row in rows)}</vcount><v>{pairs}</v></vertex_weights></skin></controller>"
    )


def _collada_nodes(skeleton: Skeleton) -> str:
    local = local_rest(skeleton)

    def node(joint: int) -> str:
        inner = "".join(node(child) for child in skeleton.children[joint])
        return (
            f"<node id='j{joint}' name='{skeleton.names[joint]}' sid='s{joint}' type='JOINT'>"
            f"<matrix sid='transform'>{numbers(local[joint])}</matrix>{inner}</node>"
        )

    return "".join(node(root) for root in skeleton.roots)


def _collada_animations(asset: Asset) -> str:
    if not asset.motions:
        return ""
    motion = asset.motions[0]
    local = compose(motion.rotations, motion.translations)
    out = []
    for joint in range(motion.joints):
        times = _collada_source(f"t{joint}", "float", np.arange(motion.frames) / motion.fps, 1, "TIME")
        values = _collada_source(f"m{joint}", "float4x4", local[:, joint], 16, "TRANSFORM")
        steps = _collada_source(f"i{joint}", "Name", " ".join(["LINEAR"] * motion.frames), 1, "INTERPOLATION")
        out.append(
            f"<animation id='a{joint}'>{times}{values}{steps}<sampler id='p{joint}'>"
            f"<input semantic='INPUT' source='#t{joint}'/><input semantic='OUTPUT' source='#m{joint}'/>"
            f"<input semantic='INTERPOLATION' source='#i{joint}'/></sampler>"
            f"<channel source='#p{joint}' target='j{joint}/transform'/></animation>"
        )
    return "".join(out)


# DirectX -------------------------------------------------------------------------------------------------


def write_directx(path: Path, asset: Asset) -> None:
    """Text .x: row vectors, left-handed (readers mirror Z)."""
    skeleton, mesh, motion = asset.rig.skeleton, asset.rig.mesh, asset.motions[0]
    local = local_rest(skeleton)

    def rows(matrix) -> str:
        return ",".join(f"{value:.9f}" for value in matrix.T.ravel())

    def frame(joint: int) -> str:
        inner = "".join(frame(child) for child in skeleton.children[joint])
        name = skeleton.names[joint]
        return f"Frame {name} {{\n FrameTransformMatrix {{ {rows(local[joint])};; }}\n{inner}}}\n"

    points = ",\n".join(";".join(f"{value:.9f}" for value in vertex) + ";" for vertex in mesh.vertices)
    faces = ",\n".join("3;" + ",".join(str(v) for v in face) + ";" for face in mesh.faces)
    skins = []
    for joint, inverse in enumerate(np.linalg.inv(rest_world(skeleton))):
        held = [(v, w) for v, row in enumerate(influences(mesh)) for j, w in row if j == joint]
        vertices, weights = ",".join(str(v) for v, _ in held), ",".join(f"{w:.9f}" for _, w in held)
        skins.append(
            f'SkinWeights {{ "{skeleton.names[joint]}"; {len(held)}; {vertices}; {weights}; {rows(inverse)};; }}\n'
        )
    local_frames = compose(motion.rotations, motion.translations)
    tracks = "".join(
        f"Animation {{ {{ {name} }} AnimationKey {{ 4; {motion.frames}; "
        + ",".join(f"{frame};16;{rows(local_frames[frame, joint])};;" for frame in range(motion.frames))
        + "; } }\n"
        for joint, name in enumerate(skeleton.names)
    )
    path.write_text(
        f"xof 0303txt 0032\nAnimTicksPerSecond {{ {motion.fps:.0f}; }}\n"
        + "".join(frame(root) for root in skeleton.roots)
        + f"Mesh body {{ {len(mesh.vertices)}; {points};\n {len(mesh.faces)}; {faces};\n"
        + f"XSkinMeshHeader {{ 4; 4; {skeleton.joints}; }}\n{''.join(skins)} }}\n"
        + f"AnimationSet walk {{\n{tracks}}}\n"
    )


# Doom 3 --------------------------------------------------------------------------------------------------


def _md5_quaternion(quaternion) -> str:
    """x y z; w is implied and never positive there."""
    quaternion = np.where(quaternion[3] > 0, -quaternion, quaternion)
    return numbers(quaternion[:3])


def write_md5(path: Path, asset: Asset) -> None:
    """.md5mesh with its .md5anim beside it; Z up by custom (readers turn it)."""
    from scipy.spatial.transform import Rotation

    skeleton, mesh, motion = asset.rig.skeleton, asset.rig.mesh, asset.motions[0]
    world = rest_world(skeleton)
    joints = "".join(
        f'\t"{name}" {parent} ( {numbers(world[j, :3, 3])} ) '
        f"( {_md5_quaternion(Rotation.from_matrix(world[j, :3, :3]).as_quat())} )\n"
        for j, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True))
    )
    vertices, weights = [], []
    for index, row in enumerate(influences(mesh)):
        vertices.append(f"\tvert {index} ( {numbers(mesh.uvs[index])} ) {len(weights)} {len(row)}\n")
        for joint, weight in row:
            offset = np.linalg.inv(world[joint]) @ [*mesh.vertices[index], 1]
            weights.append(f"\tweight {len(weights)} {joint} {weight:.9g} ( {numbers(offset[:3])} )\n")
    triangles = "".join(f"\ttri {i} {a} {b} {c}\n" for i, (a, b, c) in enumerate(mesh.faces))
    path.write_text(
        f'MD5Version 10\ncommandline ""\n\nnumJoints {skeleton.joints}\nnumMeshes 1\n\njoints {{\n{joints}}}\n\n'
        f'mesh {{\n\tshader "paint"\n\n\tnumverts {len(vertices)}\n{"".join(vertices)}\n'
        f"\tnumtris {len(mesh.faces)}\n{triangles}\n\tnumweights {len(weights)}\n{''.join(weights)}}}\n"
    )
    path.with_suffix(".md5anim").write_text(_md5_animation(skeleton, motion))


def _md5_animation(skeleton: Skeleton, motion) -> str:
    hierarchy = "".join(
        f'\t"{name}" {parent} 63 {6 * j}\n'
        for j, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True))
    )
    base = "".join(
        f"\t( {numbers(t)} ) ( {_md5_quaternion(q)} )\n"
        for t, q in zip(skeleton.rest_translations, skeleton.rest_rotations, strict=True)
    )
    bounds = "\t( -1 -1 -1 ) ( 1 1 1 )\n" * motion.frames
    frames = "".join(
        f"frame {k} {{\n"
        + "".join(
            f"\t{numbers(t)} {_md5_quaternion(q)}\n"
            for t, q in zip(motion.translations[k], motion.rotations[k], strict=True)
        )
        + "}\n\n"
        for k in range(motion.frames)
    )
    return (
        f'MD5Version 10\ncommandline ""\n\nnumFrames {motion.frames}\nnumJoints {skeleton.joints}\n'
        f"frameRate {motion.fps:.0f}\nnumAnimatedComponents {6 * skeleton.joints}\n\nhierarchy {{\n{hierarchy}}}\n\n"
        f"bounds {{\n{bounds}}}\n\nbaseframe {{\n{base}}}\n\n{frames}"
    )


# Valve ---------------------------------------------------------------------------------------------------


def write_valve(path: Path, asset: Asset) -> None:
    """.smd: the clip as skeleton frames; Euler angles about fixed X, Y, Z."""
    from scipy.spatial.transform import Rotation

    skeleton, motion = asset.rig.skeleton, asset.motions[0]
    nodes = "".join(
        f'{j} "{name}" {parent}\n'
        for j, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents, strict=True))
    )
    angles = Rotation.from_quat(motion.rotations.reshape(-1, 4)).as_euler("xyz").reshape(motion.frames, -1, 3)
    frames = "".join(
        f"time {k}\n"
        + "".join(f"{j} {numbers(motion.translations[k, j])} {numbers(angles[k, j])}\n" for j in range(motion.joints))
        for k in range(motion.frames)
    )
    path.write_text(f"version 1\nnodes\n{nodes}end\nskeleton\n{frames}end\n")


# Blitz3D -------------------------------------------------------------------------------------------------


def write_blitz(path: Path, asset: Asset) -> None:
    """.b3d: chunks in chunks; left-handed (readers mirror Z), one root."""
    skeleton, mesh, motion = asset.rig.skeleton, asset.rig.mesh, asset.motions[0]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<i", len(data)) + data

    def floats(*values) -> bytes:
        flat = np.concatenate([np.ravel(value) for value in values])
        return struct.pack(f"<{len(flat)}f", *flat)

    def turn(quaternions) -> np.ndarray:
        return np.asarray(quaternions)[..., [3, 0, 1, 2]] * [-1, 1, 1, 1]  # the other way round than most

    def joint(j: int) -> bytes:
        held = [(v, w) for v, row in enumerate(influences(mesh)) for owner, w in row if owner == j]
        bone = b"".join(struct.pack("<if", v, w) for v, w in held)
        keys = b"".join(
            struct.pack("<i", k + 1) + floats(motion.translations[k, j], turn(motion.rotations[k, j]))
            for k in range(motion.frames)
        )
        place = floats(skeleton.rest_translations[j], np.ones(3), turn(skeleton.rest_rotations[j]))
        inner = b"".join(joint(child) for child in skeleton.children[j])
        return chunk(
            b"NODE",
            skeleton.names[j].encode() + b"\0" + place
            + chunk(b"BONE", bone) + chunk(b"KEYS", struct.pack("<i", 1 | 4) + keys) + inner,
        )  # fmt: skip

    vertices = struct.pack("<3i", 0, 0, 0) + floats(mesh.vertices)
    triangles = struct.pack(f"<{mesh.faces.size + 1}i", -1, *mesh.faces.ravel())
    body = chunk(b"MESH", struct.pack("<i", -1) + chunk(b"VRTS", vertices) + chunk(b"TRIS", triangles))
    animation = chunk(b"ANIM", struct.pack("<2if", 0, motion.frames, motion.fps))
    root = b"scene\0" + floats(np.zeros(3), np.ones(3), [1, 0, 0, 0])
    root += body + animation + b"".join(joint(j) for j in skeleton.roots)
    path.write_bytes(chunk(b"BB3D", struct.pack("<i", 1) + chunk(b"NODE", root)))


def clip_positions(asset: Asset) -> np.ndarray:
    return motion_world(asset.rig.skeleton, asset.motions[0])[..., :3, 3]
