"""The rasteriser against cases whose answer is known."""

import numpy as np
import pytest

from mocapcli.errors import InvalidDataError
from mocapcli.render.camera import Camera, look_at, orbit, perspective
from mocapcli.render.lights import UNLIT, lights
from mocapcli.render.rasteriser import Images, draw
from mocapcli.render.scene import Model, frame_motion, prepare, render, render_chunks, render_motion, world_of
from mocapcli.render.surface import pack
from mocapcli.types import Material, Mesh, Motion, Texture
from render_helpers import noise_material, png, tube_rig, wave

FRONT = perspective([0, 0, 0], np.eye(3), 90, 32, 32)  # focal 16: at depth 2 a metre is 8 pixels
SQUARE = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
TWO = np.array([0.0, 0, 2])
SQUARE_FACES = np.array([[0, 1, 2], [0, 2, 3]])
BLACK = (0, 0, 0)


def surface_mesh(vertices: np.ndarray, faces: np.ndarray, material: Material | None = None, **changes: object) -> Mesh:
    count = len(vertices)
    return Mesh(  # type: ignore[arg-type]
        **{
            "vertices": vertices,
            "faces": faces,
            "skin_indices": np.zeros((count, 1), int),
            "skin_weights": np.ones((count, 1)),
            "bind_joints": np.array([-1]),
            "inverse_binds": np.eye(4)[None],
            "face_materials": None if material is None else np.zeros(len(faces), int),
            "materials": () if material is None else (material,),
            **changes,
        }
    )


def shoot(mesh: Mesh, camera: Camera = FRONT, **options: object) -> Images:
    """One still frame, unlit on black unless said otherwise."""
    points = mesh.vertices[None].astype(np.float32)
    normals = np.zeros((1, 0, 3), np.float32) if mesh.normals is None else mesh.normals[None]
    settings = {"lights": UNLIT, "background": BLACK, "supersample": 1, **options}
    return draw(points, normals, pack(mesh), camera, **settings)  # type: ignore[arg-type]


def square(depth: float = 2.0, material: Material | None = None, **changes: object) -> Mesh:
    return surface_mesh(SQUARE - [[0, 0, depth]], SQUARE_FACES, material, **changes)


def textured(pixels: np.ndarray, **changes: object) -> Material:
    return Material("m", texture=Texture("t", png(pixels)), double_sided=True, **changes)  # type: ignore[arg-type]


UVS = np.array([[0.0, 1], [1, 1], [1, 0], [0, 0]])  # origin top left


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_square_covers_exact_pixels_at_exact_depth(supersample: int) -> None:
    images = shoot(square(), supersample=supersample)
    expected = np.zeros((32, 32))
    expected[8:24, 8:24] = 1
    np.testing.assert_array_equal(images.mask[0], expected)
    np.testing.assert_allclose(images.depth[0, 8:24, 8:24], 2.0, rtol=1e-6)
    assert np.isinf(images.depth[0][expected == 0]).all()
    np.testing.assert_array_equal(images.colour[0, 8:24, 8:24], 255)
    np.testing.assert_array_equal(images.colour[0, 0, 0], [0, 0, 0, 255])


def test_neighbours_share_no_sample_and_leave_none() -> None:
    """A fan of many slivers round a point: each sample belongs to exactly one triangle."""
    turns = np.linspace(0, 2 * np.pi, 98)[:-1]
    rim = np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1) * 1.7 + [0.013, 0.021, -2]
    vertices = np.concatenate([[[0.017, 0.011, -2]], rim])
    here = np.arange(97)
    faces = np.stack([0 * here, 1 + here, 1 + (here + 1) % 97], axis=1)
    total = np.zeros((32, 32))
    for face in faces:
        total += shoot(surface_mesh(vertices, face[None])).mask[0]
    np.testing.assert_array_equal(total, shoot(surface_mesh(vertices, faces)).mask[0])
    assert total.max() == 1


def test_edges_through_samples_follow_the_top_left_rule() -> None:
    shift = np.array([0.5 / 8, -0.5 / 8, 0])  # the square's edges now run through pixel centres
    images = shoot(surface_mesh(SQUARE - TWO + shift, SQUARE_FACES))
    assert images.mask.sum() == 16 * 16
    assert images.mask[0, 8, 8] == 1 and images.mask[0, 24, 24] == 0


def test_supersampling_measures_area() -> None:
    triangle = surface_mesh(np.array([[-1.0, -1, -2], [1, -1, -2], [0, 1.3, -2]]), np.array([[0, 1, 2]]))
    exact = 0.5 * 16 * 2.3 * 8
    errors = [abs(float(shoot(triangle, supersample=s).mask.sum()) - exact) for s in (1, 4)]
    assert errors[1] < 1.0 and errors[1] <= errors[0] + 1e-6
    edges = shoot(triangle, supersample=4)
    partial = (edges.mask[0] > 0) & (edges.mask[0] < 1)
    assert partial.any()
    linear = edges.mask[0][partial]
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    np.testing.assert_allclose(edges.colour[0][partial][:, 0], expected, atol=1.01)


def tilted(near: float = 1.5, far: float = 20.0) -> Mesh:
    """A floor that runs away from the camera."""
    return surface_mesh(np.array([[-3.0, -1, -near], [3, -1, -near], [3, -1, -far], [-3, -1, -far]]), SQUARE_FACES)


def floor_truth(camera: Camera, mask: np.ndarray) -> np.ndarray:
    """Where the ray of each pixel meets the floor y = -1."""
    rows, columns = np.nonzero(mask)
    ray = camera.unproject(np.stack([columns + 0.5, rows + 0.5], axis=-1), np.ones(len(rows))) - camera.position
    hit: np.ndarray = camera.position + ray * ((-1 - camera.position[1]) / ray[:, 1])[:, None]
    return hit


@pytest.mark.parametrize("near", [1.5, 0.005, -4.0])
def test_interpolation_is_perspective_correct_and_clipping_changes_nothing(near: float) -> None:
    mesh = tilted(near)
    images = shoot(mesh, attributes=np.asarray(mesh.vertices), culling=False)
    mask = images.mask[0] > 0
    truth = floor_truth(FRONT, mask)
    inner = (np.abs(truth[:, 0]) < 3) & (truth[:, 2] > -20)
    assert inner.sum() > 60
    np.testing.assert_allclose(images.attributes[0][mask][inner], truth[inner], atol=2e-4)
    np.testing.assert_allclose(images.depth[0][mask][inner], -truth[inner, 2], rtol=1e-5)


def test_near_plane_cuts_where_it_should() -> None:
    camera = perspective([0, 0, 0], np.eye(3), 90, 32, 32, near=3.0)
    images = shoot(tilted(-4.0), camera, culling=False)
    seen = images.depth[np.isfinite(images.depth)]
    assert seen.min() >= 3.0 and seen.max() > 10
    assert images.mask[0, -1].sum() == 0 and images.mask[0, 18].sum() > 0


def test_everything_behind_is_nothing() -> None:
    assert shoot(square(-2.0), culling=False).mask.sum() == 0


def test_nearer_hides_farther_in_any_order() -> None:
    both = np.concatenate([SQUARE - TWO, SQUARE * 2 - 1.5 * TWO])
    colours = np.repeat([[1.0, 0, 0, 1], [0, 1, 0, 1]], 4, axis=0)
    for faces in (np.concatenate([SQUARE_FACES, SQUARE_FACES + 4]), np.concatenate([SQUARE_FACES + 4, SQUARE_FACES])):
        images = shoot(surface_mesh(both, faces, colours=colours))
        np.testing.assert_array_equal(images.colour[0, 16, 16, :3], [255, 0, 0])
        np.testing.assert_array_equal(images.colour[0, 6, 6, :3], [0, 255, 0])


def test_culling_honours_double_sided() -> None:
    backwards = SQUARE_FACES[:, ::-1]
    one, two = Material("one"), Material("two", double_sided=True)

    def seen(faces: np.ndarray, material: Material | None, culling: bool = True) -> bool:
        return bool(shoot(surface_mesh(SQUARE - TWO, faces, material), culling=culling).mask.any())

    assert seen(SQUARE_FACES, one) and not seen(backwards, one)
    assert seen(backwards, two) and seen(backwards, None) and seen(backwards, one, culling=False)


def test_back_faces_are_lit_from_the_camera_side() -> None:
    normals = np.tile([0.0, 0, -1], (4, 1))
    mesh = surface_mesh(SQUARE - TWO, SQUARE_FACES[:, ::-1], Material("two", double_sided=True), normals=normals)
    images = shoot(mesh, lights=lights([[0, 0, 1]], [0.5], 0.0))
    assert images.colour[0, 16, 16, 0] == 188  # sRGB of 0.5


@pytest.mark.parametrize("with_normals", [True, False])
def test_lambert_closed_form(with_normals: bool) -> None:
    mesh = square(material=Material("m", (0.5, 0.25, 1.0, 1.0)))
    if with_normals:
        mesh = square(material=mesh.materials[0], normals=np.tile([0.0, 0, 2], (4, 1)))
    images = shoot(mesh, lights=lights([[0, 3, 3], [0, 0, -1]], [0.8, 9.0], 0.1))
    light = 0.1 + 0.8 * np.sqrt(0.5)
    expected = [1.055 * (c * light) ** (1 / 2.4) - 0.055 for c in (0.5, 0.25, 1.0)]
    np.testing.assert_allclose(images.colour[0, 16, 16, :3] / 255, expected, atol=1 / 255)


def test_texture_stands_upright() -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8, :8], pixels[:8, 8:], pixels[8:, :8], pixels[8:, 8:] = [255, 0, 0], [0, 255, 0], [0, 0, 255], 255
    images = shoot(square(material=textured(pixels), uvs=UVS))
    corners = [images.colour[0, y, x, :3].tolist() for y, x in ((9, 9), (9, 22), (22, 9), (22, 22))]
    assert corners == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]


def test_texture_repeats_and_keeps_exact_texels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    images = shoot(square(material=textured(pixels), uvs=2 * UVS - 3))  # two tiles of 8 texels on 16 pixels
    np.testing.assert_allclose(images.colour[0, 8:24, 8:24, :3].astype(int), np.tile(pixels, (2, 2, 1)), atol=1)


def test_far_textures_do_not_shimmer() -> None:
    checks = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    images = shoot(square(16.0, material=textured(checks), uvs=UVS))
    seen = images.colour[0][images.mask[0] > 0][:, 0].astype(int)
    assert len(seen) >= 4
    assert np.abs(seen - 188).max() <= 3  # the mean in linear light


def test_alpha_mask_cuts_holes() -> None:
    pixels = np.full((16, 16, 4), 255, np.uint8)
    pixels[:, :8, 3] = 100
    cut = {"uvs": UVS}
    half = shoot(square(material=textured(pixels, alpha_mode="mask"), **cut))
    assert half.mask[0, 8:24, 8:15].sum() == 0 and half.mask[0, 8:24, 17:24].all()
    low = shoot(square(material=textured(pixels, alpha_mode="mask", alpha_cutoff=0.2), **cut))
    whole = shoot(square(material=textured(pixels), **cut))
    assert low.mask[0, 8:24, 8:24].all() and whole.mask[0, 8:24, 8:24].all()


def test_what_lies_behind_a_hole_is_seen() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    material = textured(pixels, alpha_mode="mask")
    front, back = square(2.0), square(3.0)
    mesh = surface_mesh(
        np.concatenate([front.vertices, back.vertices]),
        np.concatenate([SQUARE_FACES, SQUARE_FACES + 4]),
        uvs=np.concatenate([UVS, UVS]),
        face_materials=np.array([0, 0, -1, -1]),
        materials=(material,),
    )
    images = shoot(mesh)
    np.testing.assert_allclose(images.depth[0, 16, 16], 3.0, rtol=1e-6)
    assert images.mask.sum() == pytest.approx((16 * 2 / 3) ** 2, abs=30)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_blend_is_a_screen_door(alpha: float) -> None:
    material = Material("glass", (1.0, 1.0, 1.0, alpha), alpha_mode="blend", double_sided=True)
    images = shoot(square(material=material), supersample=2)
    np.testing.assert_allclose(images.mask[0, 8:24, 8:24], alpha)


def test_vertex_colours_times_base_colour() -> None:
    colours = np.tile([0.5, 1.0, 0.0, 1.0], (4, 1))
    images = shoot(square(material=Material("m", (1.0, 0.25, 1.0, 1.0)), colours=colours))
    np.testing.assert_allclose(images.colour[0, 16, 16, :3], [188, 137, 0], atol=1)


def test_labels_are_never_mixed() -> None:
    images = shoot(square(), labels=np.array([7, 3, 11, 5]))
    assert set(np.unique(images.labels)) == {-1, 3, 5, 7, 11}
    assert images.labels[0, 9, 9] == 5 and images.labels[0, 22, 22] == 3 and images.labels[0, 0, 0] == -1


def test_attributes_may_change_with_time() -> None:
    points = np.repeat(square().vertices[None], 3, axis=0)
    values = np.arange(3.0)[:, None, None] * np.ones((3, 4, 2))
    images = draw(points, np.zeros((3, 0, 3), np.float32), pack(square()), FRONT, attributes=values)
    np.testing.assert_allclose(images.attributes[:, 16, 16], values[:, 0], rtol=1e-6)


def test_transparent_background_has_straight_alpha() -> None:
    triangle = surface_mesh(np.array([[-1.0, -1, -2], [1, -1, -2], [0, 1.3, -2]]), np.array([[0, 1, 2]]))
    images = shoot(triangle, background=None, supersample=2)
    covered = images.mask[0] > 0
    assert (images.colour[0][covered][:, :3] == 255).all()
    np.testing.assert_allclose(images.colour[0, ..., 3] / 255, images.mask[0], atol=1 / 255)


def test_background_images() -> None:
    moving = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    points = np.repeat(square().vertices[None], 2, axis=0)
    images = draw(points, np.zeros((2, 0, 3), np.float32), pack(square()), FRONT, background=moving)
    outside = images.mask == 0
    np.testing.assert_array_equal(images.colour[..., :3][outside], moving[outside])
    still = shoot(square(), background=moving[0])
    np.testing.assert_array_equal(still.colour[0, :8, :, :3], moving[0, :8])


def test_off_axis_crop_is_the_crop_of_the_image() -> None:
    camera = orbit([0, 0, 0], 30, 20, 4, width=128, height=128)
    model = prepare(tube_rig(20, 20, 5, noise_material(64)))
    whole = render_motion(model, None, camera)
    cropped = render_motion(model, None, camera.crop(40, 30, 48, 48))
    np.testing.assert_array_equal(whole.mask[0, 30:78, 40:88], cropped.mask[0])
    difference = np.abs(whole.colour[0, 30:78, 40:88].astype(int) - cropped.colour[0])
    assert difference.max() <= 1


def tube() -> tuple[Model, Motion]:
    model = prepare(tube_rig(24, 24, 6, noise_material(64)))
    return model, wave(model.rig.skeleton, 7)


def test_threads_and_chunks_change_nothing() -> None:
    model, motion = tube()
    camera = frame_motion(model, motion, width=48, height=40)
    options = {"attributes": model.canonical, "labels": model.vertex_joints}
    one = render_motion(model, motion, camera, threads=1, **options)
    many = render_motion(model, motion, camera, threads=3, **options)
    parts = list(render_chunks(model, world_of(model, motion), camera, chunk=2, **options))
    for name in Images.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name))
        np.testing.assert_array_equal(getattr(one, name), np.concatenate([getattr(part, name) for part in parts]))
    assert one.mask.any(axis=(1, 2)).all()


def test_only_what_is_asked_for_is_made() -> None:
    model, motion = tube()
    camera = frame_motion(model, motion, width=32, height=32)
    whole = render_motion(model, motion, camera)
    for name in ("colour", "mask", "depth"):
        alone = render_motion(model, motion, camera, outputs=(name,))
        np.testing.assert_array_equal(getattr(alone, name), getattr(whole, name))
        assert sum(len(getattr(alone, other)) for other in Images.__dataclass_fields__) == 7


def test_cameras_per_frame() -> None:
    model, motion = tube()
    cameras = [orbit([0, 0, 0], 30 * t, 5, 5, width=32, height=32) for t in range(7)]
    images = render_motion(model, motion, cameras)
    for t in (0, 4):
        still = render_motion(model, motion, cameras[t], frames=[t])
        np.testing.assert_array_equal(images.colour[t], still.colour[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_bad_points_spoil_only_their_own_faces(bad: float) -> None:
    vertices = np.concatenate([SQUARE - TWO, [[bad, 0, -2], [1, bad, -2], [0, 1, bad]]]).astype(np.float32)
    faces = np.concatenate([SQUARE_FACES, [[0, 1, 4], [1, 2, 5], [0, 2, 6], [4, 5, 6]]])
    mesh = surface_mesh(np.nan_to_num(vertices, posinf=0, neginf=0), faces)
    with np.errstate(all="ignore"):
        images = draw(vertices[None], np.zeros((1, 0, 3), np.float32), pack(mesh), FRONT, attributes=mesh.vertices)
    assert images.mask[0, 8:24, 8:24].all()
    assert not np.isnan(images.depth).any() and not np.isnan(images.attributes).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_lights_are_refused(bad: float) -> None:
    with pytest.raises(InvalidDataError, match="finite"):
        lights([[0, 0, 1], [0, 1, bad]], [1.0, 1.0], 0.5)
    with pytest.raises(InvalidDataError, match="finite"):
        lights([[0, 0, 1]], [bad])


def test_degenerate_triangles_draw_nothing() -> None:
    vertices = np.array([[0.0, 0, -2], [0, 0, -2], [0, 0, -2], [1, 1, -2], [0.5, 0.5, -2]])
    faces = np.array([[0, 1, 2], [0, 3, 4], [0, 0, 3], [3, 3, 3]])
    assert shoot(surface_mesh(vertices, faces)).mask.sum() == 0


def test_empty_and_zero_sizes() -> None:
    empty = surface_mesh(
        np.zeros((0, 3)), np.zeros((0, 3), int), skin_indices=np.zeros((0, 1), int), skin_weights=np.zeros((0, 1))
    )
    assert shoot(empty).colour.shape == (1, 32, 32, 4)
    assert shoot(surface_mesh(SQUARE, np.zeros((0, 3), int))).mask.sum() == 0
    nothing = draw(np.zeros((0, 4, 3), np.float32), np.zeros((0, 0, 3), np.float32), pack(square()), FRONT)
    assert nothing.colour.shape == (0, 32, 32, 4)
    assert shoot(square(), perspective([0, 0, 0], np.eye(3), 90, 1, 1)).mask.sum() == 1


def test_a_million_triangles() -> None:
    model = prepare(tube_rig(700, 720, 4))
    assert len(model.mesh.faces) > 1_000_000
    images = render_motion(model, None, look_at([0, 0, 4], [0, 0, 0], width=64, height=64))
    assert 0.05 < images.mask.mean() < 0.5


def test_broken_texture_is_left_out_with_a_warning() -> None:
    material = Material("m", (0.0, 1.0, 0.0, 1.0), texture=Texture("broken", b"\x89PNG rubbish"))
    mesh = square(material=material, uvs=UVS)
    with pytest.warns(UserWarning, match="broken"):
        images = shoot(mesh)
    np.testing.assert_array_equal(images.colour[0, 16, 16, :3], [0, 255, 0])


@pytest.mark.parametrize(
    "options",
    [
        {"supersample": 0},
        {"supersample": 99},
        {"background": (0, 0, 300)},
        {"background": np.zeros((5, 5, 3), np.uint8)},
        {"cameras": []},
        {"cameras": [FRONT, FRONT]},
    ],
)
def test_misuse_is_explained(options: dict[str, object]) -> None:
    camera = options.pop("cameras", FRONT)
    with pytest.raises(InvalidDataError):
        shoot(square(), camera, **options)  # type: ignore[arg-type]


def test_wrong_motion_is_explained() -> None:
    model, _ = tube()
    with pytest.raises(InvalidDataError, match="joints"):
        render_motion(model, wave(tube_rig(4, 4, 3).skeleton, 2), FRONT)


def test_too_many_pixels_are_refused() -> None:
    model, motion = tube()
    with pytest.raises(InvalidDataError, match="too many"):
        render(model, world_of(model, motion), perspective([0, 0, 0], np.eye(3), 40, 20000, 20000))
