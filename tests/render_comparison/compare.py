"""Our renderer against three.js in a headless browser, on real assets.

    python tests/render_comparison/compare.py --assets ASSETS --three DIR/node_modules/three

Writes a contact sheet (ours, three.js, difference × 8) and a table into tests/golden/render/. Both draw the same
clip, moment, camera and lights at one sample a pixel, so that every pixel can be compared. three.js comes from npm
(`npm install three`); the place may also stand in THREE_HOME.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mocapcli.formats import read_asset
from mocapcli.render.lights import STUDIO
from mocapcli.render.scene import frame_motion, prepare, render_motion

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden" / "render"
SIZE, TILE = 512, 200
ASSETS = (
    "train/mesh2motion/dragon-animations.glb",
    "train/mesh2motion/bird-animations.glb",
    "train/quaternius_showcase/dinosaurs_Apatosaurus.glb",
    "train/quaternius_ultimate_monsters/Dragon_Evolved.gltf",
    "train/sketchfab_ccby/cat/scene.gltf",
    "train/sketchfab_ccby/whale/scene.gltf",
    "train/quaternius_cute_monsters/Mushroom.gltf",
    "train/quaternius_showcase/tank_Tank.glb",
    "unseen/quaternius_showcase/cyberpunk_Character.glb",
    "unseen/quaternius_showcase/easy_enemies_Spider.glb",
)


@dataclass
class Case:
    name: str
    ours: np.ndarray  # [H, W, 4]
    request: dict[str, object]
    triangles: int
    theirs: np.ndarray | None = None
    problem: str = ""


def make_case(root: Path, name: str) -> Case:
    """Draw one asset a third into its first clip, and say how three.js should."""
    asset = read_asset(root / name)
    model = prepare(asset.rig, max_texture_side=4096)
    motion = asset.motions[0] if asset.motions else None
    frame = motion.frames // 3 if motion else 0
    camera = frame_motion(model, motion, yaw=35, pitch=15, width=SIZE, height=SIZE)
    images = render_motion(model, motion, camera, frames=[frame], background=None, supersample=1)
    world = np.linalg.inv(camera.view)
    request = {
        "url": f"/assets/{name}",
        "clip": 0 if motion else -1,
        "time": frame / motion.fps if motion else 0.0,
        "size": SIZE,
        "world": world.T.ravel().tolist(),
        "projection": camera.clip_matrix(float(camera.near * 20000)).T.ravel().tolist(),
        "lights": STUDIO.packed().tolist(),
    }
    return Case(name, images.colour[0], request, len(model.mesh.faces))


class Handler(SimpleHTTPRequestHandler):
    """Serves the page, three.js and the assets on this machine only, and takes the pictures back."""

    def __init__(self, *args: object, cases: list[Case], roots: dict[str, Path], done: threading.Event, **rest: object):
        self.cases, self.roots, self.done = cases, roots, done
        super().__init__(*args, **rest)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        self.directory = str(HERE)
        first, _, rest = path.lstrip("/").partition("/")
        if first in self.roots:
            self.directory, path = str(self.roots[first]), "/" + rest
        return super().translate_path(path)

    def do_GET(self) -> None:
        if self.path != "/cases.json":
            return super().do_GET()
        body = json.dumps([case.request for case in self.cases]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)
        return None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind, _, index = self.path.lstrip("/").partition("/")
        if kind == "result":
            self.cases[int(index)].theirs = np.array(Image.open(io.BytesIO(body)).convert("RGBA"))
        elif kind == "failed":
            self.cases[int(index)].problem = body.decode()
        self.send_response(204)
        self.end_headers()
        if kind == "done":
            self.done.set()

    def log_message(self, *args: object) -> None:
        """Quiet."""


def run_browser(cases: list[Case], roots: dict[str, Path], browser: str, timeout: float) -> None:
    done = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, cases=cases, roots=roots, done=done))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-dev-shm-usage", "--enable-unsafe-swiftshader"]
        command += ["--use-angle=swiftshader", f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        url = f"http://127.0.0.1:{server.server_port}/page.html"
        with subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            done.wait(timeout)
            process.terminate()
    server.shutdown()


def compare(case: Case) -> tuple[float, float]:
    """Mask IoU, and mean colour difference (of 255) where both see the rig."""
    if case.theirs is None:
        return 0.0, 255.0
    mine, yours = case.ours[..., 3] > 127, case.theirs[..., 3] > 127
    both = mine & yours
    difference = np.abs(case.ours[..., :3].astype(int) - case.theirs[..., :3])[both]
    return both.sum() / max((mine | yours).sum(), 1), float(difference.mean()) if both.any() else 255.0


def tile(image: np.ndarray) -> Image.Image:
    """On light grey, at the sheet's size."""
    ground = Image.new("RGBA", (SIZE, SIZE), (225, 228, 232, 255))
    ground.alpha_composite(Image.fromarray(image))
    return ground.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)


def sheet(cases: list[Case]) -> Image.Image:
    """Two cases a row: ours, three.js, difference × 8."""
    rows = (len(cases) + 1) // 2
    out = Image.new("RGB", (6 * TILE, rows * (TILE + 14)), "white")
    pen = ImageDraw.Draw(out)
    for index, case in enumerate(cases):
        left, top = (index % 2) * 3 * TILE, (index // 2) * (TILE + 14)
        theirs = np.zeros_like(case.ours) if case.theirs is None else case.theirs
        gap = np.clip(8 * np.abs(case.ours.astype(int) - theirs), 0, 255).astype(np.uint8)
        gap[..., 3] = 255
        for column, image in enumerate((case.ours, theirs, gap)):
            out.paste(tile(image), (left + column * TILE, top + 14))
        label = "/".join(Path(case.name).parts[-2:])
        pen.text((left + 3, top + 1), f"{label}: ours, three.js, gap x 8", "black")
    return out


def table(cases: list[Case]) -> str:
    lines = ["| Asset | triangles | mask IoU | mean colour difference / 255 |", "|---|---|---|---|"]
    for case in cases:
        overlap, difference = compare(case)
        note = f" ({case.problem})" if case.problem else ""
        lines.append(f"| {case.name}{note} | {case.triangles} | {overlap:.4f} | {difference:.2f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=HERE.parents[2] / "shared" / "assets")
    parser.add_argument("--three", type=Path, default=os.environ.get("THREE_HOME"))
    parser.add_argument("--browser", default="chromium")
    parser.add_argument("--out", type=Path, default=GOLDEN)
    parser.add_argument("--timeout", type=float, default=300.0)
    options = parser.parse_args()
    if options.three is None:
        parser.error("say where three.js is: --three DIR/node_modules/three (npm install three)")
    cases = [make_case(options.assets, name) for name in ASSETS]
    run_browser(cases, {"three": options.three, "assets": options.assets}, options.browser, options.timeout)
    options.out.mkdir(parents=True, exist_ok=True)
    sheet(cases).save(options.out / "comparison.jpg", quality=85)
    text = (
        f"# Our renderer against three.js\n\n{SIZE}×{SIZE}, one sample a pixel, same camera and lights, Lambert, no "
        "tone mapping.\nMade by `python tests/render_comparison/compare.py`; pictures in `comparison.jpg` (ours, "
        f"three.js, difference × 8).\n\n{table(cases)}\n"
    )
    (options.out / "RENDER.md").write_text(text)
    sys.stdout.write(text)
    good = [overlap >= 0.995 and difference <= 4 for overlap, difference in map(compare, cases)]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
