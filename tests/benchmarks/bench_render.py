"""Frames per second of our rasteriser on one core, skinning included, beside moderngl on Mesa's llvmpipe.

    python tests/benchmarks/bench_render.py            (moderngl is left out where it cannot run)

Both draw the same wavy tube (30 joints, four influences, a texture, three lights) in the same poses from the same
cameras, and bring colours back into memory; ours makes mask and depth too. Times are medians of whole clips, by
processor time (what one core needs, whatever else the machine does) and by the clock.
"""

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1", LP_NUM_THREADS="0", OMP_NUM_THREADS="1")

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from mocapcli.render.camera import Camera
from mocapcli.render.lights import STUDIO
from mocapcli.render.scene import Model, follow_motion, frame_motion, pose_points, prepare, render, world_of
from mocapcli.render.textures import pyramid
from render_helpers import noise_material, tube_rig, wave

VERTEX = """#version 330
uniform mat4 clip; in vec3 point; in vec3 normal; in vec2 uv; out vec3 n; out vec2 t;
void main() { gl_Position = clip * vec4(point, 1.0); n = normal; t = uv; }"""
FRAGMENT = """#version 330
uniform sampler2D image; uniform vec3 toward[3]; uniform vec3 tint[3]; uniform vec3 ambient;
in vec3 n; in vec2 t; out vec4 colour;
void main() {
  vec3 light = ambient;
  for (int i = 0; i < 3; i++) light += max(dot(normalize(n), toward[i]), 0.0) * tint[i];
  vec3 linear = min(pow(texture(image, t).rgb, vec3(2.2)) * light, 1.0);
  colour = vec4(pow(linear, vec3(1.0 / 2.2)), 1.0);
}"""


class Llvmpipe:
    """The same pictures by OpenGL with four samples a pixel."""

    def __init__(self, model: Model, size: int):
        import moderngl

        self.model, self.size, mesh = model, size, model.mesh
        self.context = moderngl.create_standalone_context(backend="egl")
        self.context.enable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        self.program = self.context.program(VERTEX, FRAGMENT)
        packed = STUDIO.packed()
        self.program["toward"].value = [tuple(row[:3]) for row in packed[:3].tolist()]
        self.program["tint"].value = [tuple(row[3:]) for row in packed[:3].tolist()]
        self.program["ambient"].value = tuple(packed[3, 3:].tolist())
        texture = mesh.materials[0].texture
        assert texture is not None and mesh.uvs is not None  # the rig is ours
        images = pyramid(texture) or ()
        self.texture = self.context.texture(images[0].shape[1::-1], 4, images[0].tobytes())
        self.texture.build_mipmaps()
        self.texture.use()
        self.points = self.context.buffer(reserve=12 * len(mesh.vertices), dynamic=True)
        self.normals = self.context.buffer(reserve=12 * len(mesh.vertices), dynamic=True)
        content = [(self.points, "3f", "point"), (self.normals, "3f", "normal")]
        content.append((self.context.buffer(mesh.uvs.tobytes()), "2f", "uv"))
        faces = self.context.buffer(mesh.faces.astype("i4").tobytes())
        self.array = self.context.vertex_array(self.program, content, faces)
        self.sampled = self.context.simple_framebuffer((size, size), samples=4)
        self.plain = self.context.simple_framebuffer((size, size))

    def render(self, world: np.ndarray, cameras: list[Camera]) -> np.ndarray:
        out = np.empty((len(world), self.size, self.size, 3), np.uint8)
        points, normals = pose_points(self.model, world)
        for frame, camera in enumerate(cameras):
            self.points.write(points[frame].tobytes())
            self.normals.write(normals[frame].tobytes())
            self.program["clip"].write((camera.clip_matrix() @ camera.view).T.astype("f4").tobytes())
            self.sampled.use()
            self.context.clear(1, 1, 1)
            self.array.render()
            self.context.copy_framebuffer(self.plain, self.sampled)
            self.plain.read_into(out[frame])
        return out[:, ::-1]


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def timed(draw: Callable[[], object], frames: int, repeats: int) -> tuple[float, float]:
    """Frames per second by processor time and by the clock, medians."""
    draw()
    spent = []
    for _ in range(repeats):
        start, wall = time.process_time(), time.perf_counter()
        draw()
        spent.append((time.process_time() - start, time.perf_counter() - wall))
    processor, clock = np.median(spent, axis=0)
    return frames / processor, frames / clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    say("| triangles | size | framing | covered | renderer | fps (processor) | fps (clock) | mean difference / 255 |")
    say("|---|---|---|---|---|---|---|---|")
    for side in (50, 123):
        model = prepare(tube_rig(side, side, 30, noise_material()))
        motion = wave(model.rig.skeleton, options.frames)
        world, triangles = world_of(model, motion), len(model.mesh.faces)
        for size in (128, 512):
            still = [frame_motion(model, motion, width=size, height=size)] * len(world)
            report(model, world, still, f"{triangles} | {size}² | whole clip", options.repeats)
            tight = follow_motion(model, motion, width=size, height=size)
            report(model, world, tight, f"{triangles} | {size}² | each frame", options.repeats)


def report(model: Model, world: np.ndarray, cameras: list[Camera], label: str, repeats: int) -> None:
    ours = render(model, world, cameras)
    label += f" | {ours.mask.mean():.0%}"
    speeds = timed(lambda: render(model, world, cameras, threads=1), len(world), repeats)
    say(f"| {label} | ours, 2×2 samples | {speeds[0]:.0f} | {speeds[1]:.0f} | |")
    try:
        other = Llvmpipe(model, cameras[0].width)
    except Exception as error:
        say(f"| {label} | moderngl: {type(error).__name__}: {error} | | | |")
        return
    gap = np.abs(other.render(world, cameras).astype(int) - ours.colour[..., :3]).mean()
    speeds = timed(lambda: other.render(world, cameras), len(world), repeats)
    say(f"| {label} | moderngl + llvmpipe, 4 samples | {speeds[0]:.0f} | {speeds[1]:.0f} | {gap:.2f} |")


if __name__ == "__main__":
    main()
