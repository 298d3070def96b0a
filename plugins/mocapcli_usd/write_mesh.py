"""Meshes, their skin and materials into a stage.

UsdSkel has one bind matrix a joint; our meshes may have several binds on one joint (several skins, each placed
by its own matrix). So vertices are moved by what the bind matrix of their joint leaves over.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from pxr import Gf, Sdf, UsdGeom, UsdShade, UsdSkel, Vt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mocapcli.kinematics import inverse_affine, rest_world
from mocapcli.types import Material, Mesh, Rig
from mocapcli_usd.identifiers import distinct, identifier

Place = Callable[[str], str]


def skeleton_bind(rig: Rig) -> Float[np.ndarray, "joints 4 4"]:
    """Bind matrices: the rest pose where the meshes were bound in it, else what the largest skin says."""
    rest = rest_world(rig.skeleton)
    mesh = rig.mesh
    if mesh is None or not len(mesh.bind_joints) or _agree(mesh, rest):
        return rest
    bound = mesh.bind_joints >= 0
    scale = np.median(np.cbrt(np.abs(np.linalg.det(mesh.inverse_binds[bound][:, :3, :3]))))
    placed = np.diag([scale, scale, scale, 1.0])  # keeps the bind matrices free of unit conversions
    bind = rest.copy()
    for index in _lightest_first(mesh):
        if bound[index]:
            bind[mesh.bind_joints[index]] = placed @ inverse_affine(mesh.inverse_binds[index])
    return bind


def _agree(mesh: Mesh, bind: Float[np.ndarray, "joints 4 4"]) -> bool:
    """Whether all binds that share a vertex place it alike, given the joints' bind matrices."""
    if (mesh.bind_joints < 0).all():
        return True
    own = np.where((mesh.bind_joints >= 0)[:, None, None], bind[mesh.bind_joints], np.eye(4))
    move = own @ mesh.inverse_binds
    first, tolerance = mesh.skin_indices[:, 0], 1e-5 * max(1.0, float(np.abs(move).max()))
    for k in range(1, mesh.skin_indices.shape[1]):
        pairs = np.unique(np.stack([first, mesh.skin_indices[:, k]], axis=1)[mesh.skin_weights[:, k] > 0], axis=0)
        if len(pairs) and np.abs(move[pairs[:, 0]] - move[pairs[:, 1]]).max() > tolerance:
            return False
    return True


def _lightest_first(mesh: Mesh) -> Int[np.ndarray, " binds"]:
    """Binds by the weight of their skin (binds that share vertices), then by their own."""
    binds = len(mesh.bind_joints)
    own = np.bincount(mesh.skin_indices.ravel(), mesh.skin_weights.ravel(), binds)
    first = np.repeat(mesh.skin_indices[:, :1], mesh.skin_indices.shape[1], axis=1)
    used = mesh.skin_weights > 0
    shared = coo_matrix((np.ones(used.sum()), (first[used], mesh.skin_indices[used])), (binds, binds))
    _, skin = connected_components(shared, directed=False)
    return np.lexsort((own, np.bincount(skin, own)[skin]))


def write_materials(stage: Any, mesh: Mesh, place: Place, images: dict[bytes, str]) -> list[Any]:
    if not mesh.materials:
        return []
    scope = UsdGeom.Scope.Define(stage, place("Materials")).GetPath()
    taken: set[str] = set()
    return [_write_material(stage, material, scope, taken, images) for material in mesh.materials]


def _write_material(stage: Any, material: Material, scope: Any, taken: set[str], images: dict[bytes, str]) -> Any:
    path = scope.AppendChild(distinct(identifier(material.name), taken))
    prim = UsdShade.Material.Define(stage, path)
    prim.GetPrim().SetDisplayName(material.name)
    shader = UsdShade.Shader.Define(stage, path.AppendChild("Surface"))
    shader.CreateIdAttr("UsdPreviewSurface")
    red, green, blue, alpha = material.base_colour
    kinds = Sdf.ValueTypeNames
    diffuse = shader.CreateInput("diffuseColor", kinds.Color3f)
    shader.CreateInput("roughness", kinds.Float).Set(1.0)
    shader.CreateInput("opacity", kinds.Float).Set(alpha if material.alpha_mode != "opaque" else 1.0)
    if material.alpha_mode == "mask":
        shader.CreateInput("opacityThreshold", kinds.Float).Set(material.alpha_cutoff)
    texture = material.texture
    if texture is None or texture.data not in images:
        diffuse.Set(Gf.Vec3f(red, green, blue))
    else:
        diffuse.ConnectToSource(_write_texture(stage, path, images[texture.data], material.base_colour))
    prim.CreateSurfaceOutput().ConnectToSource(shader.CreateOutput("surface", kinds.Token))
    return prim


def _write_texture(stage: Any, path: Any, image: str, colour: tuple[float, float, float, float]) -> Any:
    """An image node, fed by a reader of the mesh's `st`; the base colour becomes its scale."""
    kinds = Sdf.ValueTypeNames
    reader = UsdShade.Shader.Define(stage, path.AppendChild("Coordinates"))
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", kinds.String).Set("st")
    node = UsdShade.Shader.Define(stage, path.AppendChild("Image"))
    node.CreateIdAttr("UsdUVTexture")
    node.CreateInput("file", kinds.Asset).Set(Sdf.AssetPath(image))
    node.CreateInput("sourceColorSpace", kinds.Token).Set("sRGB")
    node.CreateInput("wrapS", kinds.Token).Set("repeat")
    node.CreateInput("wrapT", kinds.Token).Set("repeat")
    node.CreateInput("scale", kinds.Float4).Set(Gf.Vec4f(*colour))
    node.CreateInput("st", kinds.Float2).ConnectToSource(reader.CreateOutput("result", kinds.Float2))
    return node.CreateOutput("rgb", kinds.Float3)


def write_meshes(
    stage: Any, rig: Rig, bind: Float[np.ndarray, "joints 4 4"], skeleton: Any, place: Place, materials: list[Any]
) -> None:
    """One skinned mesh, and one for surfaces that no joint moves."""
    mesh = rig.mesh
    if mesh is None or not len(mesh.faces):
        return
    fixed = np.where(mesh.bind_joints[mesh.skin_indices] < 0, mesh.skin_weights, 0).sum(axis=1) > 0.5
    still = fixed[mesh.faces].all(axis=1)
    vertices = _bound_vertices(mesh, bind)
    for name, chosen, moves in (("Mesh", ~still, True), ("Fixed", still, False)):
        if chosen.any():
            prim, used = _write_surface(stage, mesh, vertices, chosen, place(name), materials)
            if moves:
                _write_skin(prim, mesh, used, skeleton)


def _bound_vertices(mesh: Mesh, bind: Float[np.ndarray, "joints 4 4"]) -> Float[np.ndarray, "vertices 3"]:
    """Vertices as the joints' one bind matrix needs them; exact unless influences contradict each other."""
    own = np.where((mesh.bind_joints >= 0)[:, None, None], bind[mesh.bind_joints], np.eye(4))
    move = (own @ mesh.inverse_binds)[:, :3]
    homogeneous = np.concatenate([mesh.vertices, np.ones((len(mesh.vertices), 1))], axis=1)
    out = np.zeros((len(mesh.vertices), 3))
    for k in range(mesh.skin_indices.shape[1]):
        moved = np.einsum("vij,vj->vi", move[mesh.skin_indices[:, k]], homogeneous)
        out += mesh.skin_weights[:, k, None] * moved
    return out


def _write_surface(
    stage: Any, mesh: Mesh, vertices: Float[np.ndarray, "vertices 3"], chosen: Bool[np.ndarray, " faces"],
    path: str, materials: list[Any],
) -> tuple[Any, Int[np.ndarray, " used"]]:  # fmt: skip
    """The chosen faces as a mesh prim, and the vertices it uses."""
    faces = mesh.faces[chosen]
    used = np.arange(len(vertices)) if chosen.all() else np.unique(faces)
    faces = np.searchsorted(used, faces)
    prim = UsdGeom.Mesh.Define(stage, path)
    points = vertices[used].astype(np.float32)
    prim.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    prim.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])))
    prim.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(faces), 3, np.int32)))
    prim.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.astype(np.int32).ravel()))
    prim.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    prim.CreateDoubleSidedAttr(any(material.double_sided for material in mesh.materials))
    _write_values(prim, mesh, used)
    _bind_materials(prim, mesh, chosen, materials)
    return prim, used


def _write_values(prim: Any, mesh: Mesh, used: Int[np.ndarray, " used"]) -> None:
    vertex = UsdGeom.Tokens.vertex
    if mesh.normals is not None:
        prim.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(mesh.normals[used])))
        prim.SetNormalsInterpolation(vertex)
    if mesh.uvs is not None:
        flipped = (mesh.uvs[used] * [1, -1] + [0, 1]).astype(np.float32)
        primvar = UsdGeom.PrimvarsAPI(prim).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, vertex)
        primvar.Set(Vt.Vec2fArray.FromNumpy(flipped))
    if mesh.colours is not None:
        colours = np.ascontiguousarray(mesh.colours[used])
        prim.CreateDisplayColorPrimvar(vertex).Set(Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(colours[:, :3])))
        prim.CreateDisplayOpacityPrimvar(vertex).Set(Vt.FloatArray.FromNumpy(np.ascontiguousarray(colours[:, 3])))


def _bind_materials(prim: Any, mesh: Mesh, chosen: Bool[np.ndarray, " faces"], materials: list[Any]) -> None:
    if mesh.face_materials is None or not materials:
        return
    of_face = mesh.face_materials[chosen]
    present = [int(index) for index in np.unique(of_face) if index >= 0]
    if len(present) == 1 and (of_face >= 0).all():
        UsdShade.MaterialBindingAPI.Apply(prim.GetPrim()).Bind(materials[present[0]])
        return
    binding = UsdShade.MaterialBindingAPI.Apply(prim.GetPrim())
    for index in present:
        faces = Vt.IntArray.FromNumpy(np.flatnonzero(of_face == index).astype(np.int32))
        subset = binding.CreateMaterialBindSubset(materials[index].GetPrim().GetName(), faces)
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(materials[index])


def _write_skin(prim: Any, mesh: Mesh, used: Int[np.ndarray, " used"], skeleton: Any) -> None:
    joints = mesh.bind_joints[mesh.skin_indices[used]]
    weights = np.where(joints >= 0, mesh.skin_weights[used], 0.0)
    joints = np.maximum(joints, 0)
    totals = weights.sum(axis=1, keepdims=True)
    weights = np.where(totals > 0, weights / np.maximum(totals, 1e-12), np.eye(1, weights.shape[1]))
    binding = UsdSkel.BindingAPI.Apply(prim.GetPrim())
    binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
    width = joints.shape[1]
    binding.CreateJointIndicesPrimvar(False, width).Set(Vt.IntArray.FromNumpy(joints.astype(np.int32).ravel()))
    binding.CreateJointWeightsPrimvar(False, width).Set(Vt.FloatArray.FromNumpy(weights.astype(np.float32).ravel()))
    binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))
