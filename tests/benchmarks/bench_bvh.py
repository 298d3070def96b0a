"""BVH speed against bvhio: `python tests/benchmarks/bench_bvh.py [--joints 100] [--frames 10000] [--repeats 3]`.

Every figure is the median of fresh processes. CPU seconds hardly depend on what else the machine is doing; peak
memory is what the call takes on top of imports and, when writing, of having read the asset.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

MEASURE = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
task, path = sys.argv[1:]
from mocapcli import read_asset, write_asset
import mocapcli_bvh.reader, mocapcli_bvh.writer, bvhio, dataclasses
if task.startswith("write"):
    asset = read_asset(path)
    if task == "write other":  # as from another format: angles computed afresh
        asset = dataclasses.replace(asset, rig=dataclasses.replace(asset.rig, source=None))
calls = {
    "read": lambda: read_asset(path),
    "write": lambda: write_asset(path + ".out.bvh", asset),
    "write other": lambda: write_asset(path + ".out.bvh", asset),
    "bvhio read": lambda: bvhio.readAsBvh(path),
}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, start_cpu = time.perf_counter(), time.process_time()
result = calls[task]()
seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
print(json.dumps([seconds, cpu, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024]))
"""


def make_file(path: Path, joints: int, frames: int) -> None:
    """A random tree with smooth motion, six decimals."""
    import numpy as np

    rng = np.random.default_rng(0)
    parents = [-1] + [int(rng.integers(max(0, j - 4), j)) for j in range(1, joints)]
    from mocapcli import Asset, Motion, Rig, Skeleton, write_asset

    steps = rng.normal(0, 0.2, (joints, 3))
    skeleton = Skeleton(tuple(f"joint{j}" for j in range(joints)), np.array(parents), steps, np.eye(4)[[3] * joints])
    from scipy.spatial.transform import Rotation

    phase = np.linspace(0, frames / 40, frames)[:, None, None] + rng.uniform(0, 6, (joints, 3))
    rotations = Rotation.from_rotvec(np.sin(phase).reshape(-1, 3)).as_quat().reshape(frames, joints, 4)
    moves = np.zeros((frames, joints, 3))
    moves[:, 0] = np.sin(phase[:, 0])
    write_asset(path, Asset(Rig(skeleton), (Motion("clip", 60.0, rotations, steps + moves),)))


def measure(task: str, path: Path, repeats: int) -> list[float]:
    """Median seconds, CPU seconds, and MiB of peak memory above the start."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, task, str(path)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(done.stdout))
    return [statistics.median(column) for column in zip(*runs, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--joints", type=int, default=100)
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.bvh"
        # In its own process: a child starts with its parent's peak memory on the clock.
        make = (
            f"import bench_bvh; bench_bvh.make_file(bench_bvh.Path({str(path)!r}), {options.joints}, {options.frames})"
        )
        subprocess.run([sys.executable, "-c", make], cwd=Path(__file__).parent, check=True)
        size = path.stat().st_size / 1e6
        lines = [f"{options.joints} joints, {options.frames} frames, {size:.1f} MB, median of {options.repeats}", ""]
        lines += ["| task | seconds | CPU s | MB per CPU s | peak MiB |", "|---|---|---|---|---|"]
        cpu = {}
        for task in ("read", "bvhio read", "write", "write other"):
            seconds, cpu[task], memory = measure(task, path, options.repeats)
            lines.append(f"| {task} | {seconds:.2f} | {cpu[task]:.2f} | {size / cpu[task]:.0f} | {memory:.0f} |")
        lines += ["", f"read: {cpu['bvhio read'] / cpu['read']:.1f} × as fast as bvhio.readAsBvh (CPU time)"]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
