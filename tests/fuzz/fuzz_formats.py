"""Feed damaged files to `mocap convert`: it must refuse in one line or succeed, and nothing else.

    python tests/fuzz/fuzz_formats.py --count 2000 --seed 0

Valid seed files are written by our own writers, then truncated, bit-flipped, spliced, and given absurd numbers.
Each mutant is converted in a process of its own. Native parsers run in a child of that under their usual limits, but
forked, not started: they are loaded once, not once a file. Findings: a traceback, an exit code other than 0 and 1, a
silent failure, more than 10 s of the processor, 30 s without an end, more than 1 GiB, a partial or stray output file.
Exits 1 if there is any, and keeps the mutants in --keep.
"""

import argparse
import contextlib
import importlib
import io
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))

from assimp_files import write_collada
from factories import make_asset
from mocapcli import isolation
from mocapcli.cli import main as mocap
from mocapcli.errors import DroppedWarning
from mocapcli.formats import write_asset

SECONDS = 10.0  # of the processor: a busy machine must not condemn a sound program
PATIENCE = 30.0  # of the clock: who waits for ever uses no processor
MEMORY = 1 << 30
FORMATS = ("bvh", "glb", "gltf", "fbx", "usda", "usdc", "npz", "dae")
NUMBERS = (
    b"999999999",
    b"-1",
    b"nan",
    b"1e999",
    b"0",
    b"4294967295",
    b"../../../../etc/passwd",
    b'"x"',
    b"null",
    b"[]",
)
WORDS = (0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 0, 1, 0x7FC00000, 0x7F800000)

Random = np.random.Generator


@dataclass
class Report:
    """What became of one format's mutants."""

    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    largest: int = 0  # bytes
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    code: int
    seconds: float  # of the processor
    waited: float
    memory: int
    error_text: str


def main() -> int:
    arguments = _arguments()
    os.environ.update(dict.fromkeys(isolation.ONE_THREAD, "1"))
    reports: dict[str, Report] = {}
    sys.stdout.write("| format | read | refused | findings | slowest, s | largest, MiB |\n|---|---|---|---|---|---|\n")
    forked = mock.patch.object(isolation.subprocess, "run", _run_forked)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, forked:
        folder = Path(name)
        for extension in arguments.formats:
            seeds = [*_seeds(folder, extension), *arguments.seeds.get(extension, [])]
            reports[extension] = _fuzz(folder, extension, seeds, arguments)
            sys.stdout.write(_row(extension, reports[extension]))
            sys.stdout.flush()
    findings = [finding for report in reports.values() for finding in report.findings]
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    return int(bool(findings))


def _seeds(folder: Path, extension: str) -> list[Path]:
    """Small valid files: with and without a mesh, one clip and several."""
    write = write_collada if extension == "dae" else write_asset
    paths = []
    for number in range(3):
        path = folder / f"seed{number}.{extension}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DroppedWarning)
            write(path, make_asset(joints=4 + 3 * number, seed=number))
        paths.append(path)
    # Once in this process, so that the forked ones need not import everything again.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if mocap(["convert", str(paths[-1]), str(folder / "sound.npz")]) != 0:
            raise SystemExit(f"a sound {extension} file is refused")
    return paths


def _fuzz(folder: Path, extension: str, seeds: list[Path], arguments: argparse.Namespace) -> Report:
    random = np.random.default_rng([arguments.seed, *extension.encode()])
    report = Report()
    originals = [path.read_bytes() for path in seeds]
    work = folder / extension
    for number in tqdm(range(arguments.count), desc=extension, unit="file", disable=None):
        data = mutate(originals[number % len(originals)], random)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        mutant, output = work / f"mutant.{extension}", work / "out.npz"
        mutant.write_bytes(data)
        outcome = _convert(mutant, output)
        stray = [path.name for path in work.iterdir() if path not in (mutant, output)]
        problems = _judge(outcome, output, stray)
        report.slowest = max(report.slowest, outcome.seconds)
        report.largest = max(report.largest, outcome.memory)
        report.read += outcome.code == 0
        report.refused += outcome.code == 1
        for problem in problems:
            report.findings.append(f"{extension} #{number}: {problem}")
            arguments.keep.mkdir(parents=True, exist_ok=True)
            (arguments.keep / f"{extension}-{arguments.seed}-{number}.{extension}").write_bytes(data)
    return report


def mutate(data: bytes, random: Random) -> bytes:
    """One to four kinds of damage, one after the other."""
    kinds: list[Callable[[bytes, Random], bytes]] = [
        _truncate, _flip_bits, _flip_bits, _set_word, _set_word, _set_number, _set_number, _splice, _blank, _non_utf8,
    ]  # fmt: skip
    for _ in range(int(random.integers(1, 5))):
        data = kinds[int(random.integers(len(kinds)))](data, random)
    return data


def _place(data: bytes, random: Random) -> int:
    """Anywhere, but headers twice as often as their share."""
    reach = len(data) if random.random() < 0.6 else min(len(data), 2048)
    return int(random.integers(0, max(reach, 1)))


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)]


def _flip_bits(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(int(random.integers(1, 12))):
        if out:
            out[_place(data, random)] ^= 1 << int(random.integers(8))
    return bytes(out)


def _set_word(data: bytes, random: Random) -> bytes:
    """A four-byte number, aligned or not, becomes an absurd one."""
    at = _place(data, random)
    word = int(random.choice(WORDS)).to_bytes(4, "little")
    return data[:at] + word + data[at + 4 :]


def _set_number(data: bytes, random: Random) -> bytes:
    """A number written as text becomes an absurd one."""
    at = _place(data, random)
    while at < len(data) and not chr(data[at]).isdigit():
        at += 1
    end = at
    while end < len(data) and (chr(data[end]).isdigit() or data[end] in b".-+eE"):
        end += 1
    return data[:at] + NUMBERS[int(random.integers(len(NUMBERS)))] + data[end:]


def _splice(data: bytes, random: Random) -> bytes:
    start, length = _place(data, random), int(random.integers(1, 400))
    at = _place(data, random)
    return data[:at] + data[start : start + length] + data[at:]


def _blank(data: bytes, random: Random) -> bytes:
    at, length = _place(data, random), int(random.integers(1, 200))
    return data[:at] + bytes(length) + data[at + length :]


def _non_utf8(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + b"\xff\xfe\xc3\x28" + data[at:]


def _convert(mutant: Path, output: Path) -> Outcome:
    """`mocap convert` in a forked process, watched from outside."""
    complaint = mutant.with_name("stderr")
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_child(mutant, output, complaint)
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        waited = time.monotonic() - start
        if done:
            break
        if waited > PATIENCE + 5:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    text = complaint.read_text(errors="replace") if complaint.exists() else ""
    complaint.unlink(missing_ok=True)
    seconds = usage.ru_utime + usage.ru_stime
    return Outcome(os.waitstatus_to_exitcode(status), seconds, waited, usage.ru_maxrss * 1024, text)


def _be_child(mutant: Path, output: Path, complaint: Path) -> None:
    code = 70
    try:
        stream = os.open(complaint, os.O_WRONLY | os.O_CREAT)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        code = mocap(["convert", str(mutant), str(output)])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run_forked(command: list[str], *, stdout: IO[bytes], cwd: Path, timeout: float, **_: Any) -> SimpleNamespace:
    """`subprocess.run` of a parser's child (`mocapcli.isolation.main`), by forking; loads the parser on first use."""
    importlib.import_module(command[3])
    end = time.monotonic() + timeout
    child = os.fork()
    if child == 0:
        os.dup2(stdout.fileno(), 1)
        os.dup2(stdout.fileno(), 2)
        os.chdir(cwd)
        os._exit(isolation.main(command[3:]))
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return SimpleNamespace(returncode=os.waitstatus_to_exitcode(status))
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise subprocess.TimeoutExpired(command, timeout)
        time.sleep(0.002)


def _judge(outcome: Outcome, output: Path, stray: list[str]) -> list[str]:
    problems = []
    if outcome.code not in (0, 1):
        problems.append(f"exit code {outcome.code}: {outcome.error_text[-200:]!r}")
    if "Traceback" in outcome.error_text:
        problems.append(f"traceback: {outcome.error_text[-300:]!r}")
    lines = [line for line in outcome.error_text.splitlines() if line.startswith("mocap:") and "note:" not in line]
    if outcome.code == 1 and len(lines) != 1:
        problems.append(f"not one line: {outcome.error_text[-300:]!r}")
    if outcome.seconds > SECONDS:
        problems.append(f"took {outcome.seconds:.1f} s of the processor")
    if outcome.waited > PATIENCE:
        problems.append(f"took {outcome.waited:.1f} s")
    if outcome.memory > MEMORY:
        problems.append(f"took {outcome.memory / 2**20:.0f} MiB")
    if (outcome.code == 0) != output.exists():
        problems.append("output file and exit code disagree")
    if stray:
        problems.append(f"stray files {stray}")
    return problems


def _row(extension: str, report: Report) -> str:
    return (
        f"| {extension} | {report.read} | {report.refused} | {len(report.findings)} "
        f"| {report.slowest:.1f} | {report.largest / 2**20:.0f} |\n"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="mutants per format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "mocap-fuzz-findings")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="further seed files")
    arguments = parser.parse_args()
    arguments.seeds = {}
    for path in arguments.files:
        arguments.seeds.setdefault(path.suffix.lower().lstrip("."), []).append(path)
    return arguments


if __name__ == "__main__":
    sys.exit(main())
