"""Do real programs see the same joints in what we write as in what we read?

For every asset of a folder and every writer: an independent reader looks at the source file, we convert, an
independent reader looks at the result, and joint positions are compared at up to 24 frames of the first clip.
Errors are relative to the rig's size (the diagonal of the box around all joints over those frames).

    npm install --prefix tests/clients
    python tests/clients/compare_clients.py ASSETS --blender PYTHON_WITH_BPY -o tests/golden/CLIENTS.md

Blender (`pip install bpy` into its own venv) reads USD and is the second opinion on FBX; without it those rows stay
empty.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from tqdm import tqdm

from mocapcli.errors import DroppedWarning, MocapError
from mocapcli.formats import is_readable, read_asset, write_asset

HERE = Path(__file__).parent
LIMIT = 1e-4
READERS = {
    "glb": ("three",),
    "gltf": ("three",),
    "fbx": ("blender", "three"),
    "bvh": ("blender", "three"),
    "usdc": ("blender",),
}
# three slerps between sparse FBX keys and adds OFFSET to BVH position channels; for the rest it is the truth
SOURCE_READERS = {"fbx": "blender", "bvh": "blender"}
FRAMES = 24
CAUSES = """
Larger errors have these causes; the files are sound:

- three.js adds BVH position channels of inner joints to their OFFSET; Blender, like most programs, puts them in its
  place. A joint whose translation is animated cannot suit both, so it lies right in Blender and beside it in three.js.
  `mocap` says so when it writes such a file (the counts are below).
- Blender's Python FBX importer rounds frame rates that are no whole numbers (119.87, 14.985); three.js reads the same
  files within 1e-5.
- A few rigs are bound to their mesh in a stretched or sheared pose. Blender keeps bones rigid and shifts them a
  little; three.js and our own reader do not.
- BVH frame times written with few digits (.03333) are read as the rate they mean (30); three.js takes them literally.
"""


@dataclass
class Client:
    """A reader that stays alive and answers one job a line."""

    command: list[str]
    process: subprocess.Popen[str] | None = None

    def see(self, file: Path, clip: str | None, times: list[float], fps: float) -> dict[str, Any]:
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        job = {"file": str(file.resolve()), "clip": clip, "times": times, "fps": fps}
        to_client, from_client = _pipes(self.process)
        try:
            to_client.write(json.dumps(job) + "\n")
            to_client.flush()
            line = from_client.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"error": "the client died"}


@dataclass
class Row:
    """One pair of formats: errors by asset, and those nobody could compare."""

    errors: dict[str, float] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    notes: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def main() -> int:
    arguments = _arguments()
    clients = {"three": Client(["node", str(HERE / "read_three.mjs")])}
    if arguments.blender:
        clients["blender"] = Client([arguments.blender, str(HERE / "read_blender.py")])
    files = [path for path in sorted(arguments.assets.rglob("*")) if path.is_file() and is_readable(path)]
    files = [path for path in files if path.suffix.lower() != ".npz"][:: arguments.every]
    rows: dict[tuple[str, str, str], Row] = defaultdict(Row)
    with tempfile.TemporaryDirectory() as folder:
        for path in tqdm(files, unit="asset"):
            _check_asset(path, arguments.assets, clients, Path(folder), rows, arguments.writers)
    text = _table(rows)
    if arguments.output:
        arguments.output.write_text(text)
    sys.stdout.write(text)
    return int(any(max(row.errors.values(), default=0) > LIMIT for row in rows.values()))


def _check_asset(
    path: Path,
    root: Path,
    clients: dict[str, Client],
    folder: Path,
    rows: dict[tuple[str, str, str], Row],
    writers: list[str],
) -> None:
    """Convert one asset with every writer and enter what the clients see."""
    label = str(path.relative_to(root))
    source = path.suffix.lower().lstrip(".")
    try:
        asset = read_asset(path)
    except MocapError as error:
        rows[source, "-", "-"].skipped[label] = str(error.problem)
        return
    motion = asset.motions[0] if asset.motions else None
    fps = motion.fps if motion else 30.0
    frames = motion.frames if motion else 1
    times = [int(k) / fps for k in np.unique(np.linspace(0, frames - 1, min(frames, FRAMES)).astype(int))]
    clip = motion.name if motion else None
    truth = _see_source(path, source, clients, clip, times, fps)
    for extension in writers:
        target = folder / f"out.{extension}"
        row = rows[source, extension, READERS[extension][0]]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DroppedWarning)
            try:
                write_asset(target, asset)
            except MocapError as error:
                row.skipped[label] = str(error.problem)
                continue
        for warning in caught:
            row.notes[str(warning.message).removeprefix(f"{target.name}: ").split(": ")[0]].add(label)
        for reader in (name for name in READERS[extension] if name in clients):
            seen = clients[reader].see(target, clip, times, fps)
            _enter(rows[source, extension, reader], label, truth, seen)


def _see_source(
    path: Path, source: str, clients: dict[str, Client], clip: str | None, times: list[float], fps: float
) -> dict[str, Any]:
    """The source as the program that reads its format best sees it; the other one where that fails."""
    first = SOURCE_READERS.get(source, "three")
    answer: dict[str, Any] = {"error": "no client"}
    for reader in sorted(clients, key=lambda name: name != first):
        answer = clients[reader].see(path, clip, times, fps)
        if "error" not in answer:
            break
    return answer


def _enter(row: Row, label: str, truth: dict[str, Any], seen: dict[str, Any]) -> None:
    for side, answer in (("source", truth), ("result", seen)):
        if "error" in answer:
            row.skipped[label] = f"client cannot read the {side}: {answer['error'][:80]}"
            return
    left, right = _unique(truth["joints"]), _unique(seen["joints"])
    common = [name for name in left if name in right]
    if not common:
        row.skipped[label] = "no joint names in common"
        return
    a = np.array(truth["positions"])[:, [left[name] for name in common]]
    b = np.array(seen["positions"])[:, [right[name] for name in common]]
    size = float(np.linalg.norm(np.ptp(a.reshape(-1, 3), axis=0))) or 1.0
    row.errors[label] = float(np.linalg.norm(a - b, axis=-1).max()) / size


def _unique(names: list[str]) -> dict[str, int]:
    """Positions of names that occur once, compared by letters and digits (each program cleans names its own way)."""
    plain = [re.sub(r"[\W_]", "", name.split(":")[-1]).lower() for name in names]
    return {name: k for k, name in enumerate(plain) if name and plain.count(name) == 1}


def _table(rows: dict[tuple[str, str, str], Row]) -> str:
    lines = [
        "# What independent programs see",
        "",
        "Joint positions in the source file against the converted file, both as an independent program reads them.",
        f"Error: the largest distance over joints and up to {FRAMES} frames, relative to the rig's size.",
        f"The bar is {LIMIT:g}.",
        "Made by `tests/clients/compare_clients.py`.",
        "",
        "| from | to | read by | assets | median error | largest error | over the bar | not comparable |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (source, target, reader), row in sorted(rows.items()):
        errors = np.array(list(row.errors.values()) or [np.nan])
        over = int((errors > LIMIT).sum())
        lines.append(
            f"| {source} | {target} | {reader} | {len(row.errors)} | {np.median(errors):.1e} | {errors.max():.1e} "
            f"| {over} | {len(row.skipped)} |"
        )
    details = [
        f"- {source} → {target} ({reader}): `{label}` {error:.1e}"
        for (source, target, reader), row in sorted(rows.items())
        for label, error in sorted(row.errors.items())
        if error > LIMIT
    ]
    skipped: dict[str, list[str]] = defaultdict(list)
    for (source, target, reader), row in sorted(rows.items()):
        for label, reason in row.skipped.items():
            skipped[f"{source} → {target} ({reader}): {reason}"].append(label)
    notes = sorted(
        f"- {source} → {target}: {note}: {len(labels)} assets"
        for (source, target, _), row in rows.items()
        for note, labels in row.notes.items()
    )
    lines += [CAUSES, "## Over the bar", "", *(details or ["None."])]
    lines += ["", "## Not comparable", ""]
    lines += [f"- {reason}: {len(labels)} ({labels[0]}, …)" for reason, labels in skipped.items()] or ["None."]
    lines += ["", "## What the user is told", "", *(notes or ["Nothing."]), ""]
    return "\n".join(lines)


def _pipes(process: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the client has no pipes")
    return process.stdin, process.stdout


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("assets", type=Path)
    parser.add_argument("--blender", help="a Python that has bpy")
    parser.add_argument("--every", type=int, default=1, help="take every n-th asset")
    parser.add_argument("--writers", nargs="+", default=list(READERS), choices=list(READERS))
    parser.add_argument("-o", "--output", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
