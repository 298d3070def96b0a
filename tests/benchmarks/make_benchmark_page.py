"""docs/BENCHMARK.md: what `mocap eval` measures of a model, setting by setting, made by this one command.

python tests/benchmarks/make_benchmark_page.py --cache CACHE --model small --output docs/BENCHMARK.md

CACHE comes from `mocap data build ASSETS -o CACHE --zoo 144`. Settings that the model has no stage for, and splits
without clips, are named as such. Results are kept in --results; with --reuse those that are there already are not run
again. All of it takes hours: with --only JOB … no others are measured, nor those of learnt rigs without --adapt; with
--carry PAGE sections that were not measured now are those of that page, and say so.
"""

import argparse
import datetime
import json
import math
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from independent_figures import angles
from mocapcli.checkpoints import model_folder
from mocapcli.cli import main
from mocapcli.data.cache import INDEX, Cache, file_digest, open_cache
from mocapcli.data.windows import cut_motion, evaluation_windows
from mocapcli.evaluation.cases import COPY, measure_case, skill
from mocapcli.evaluation.positions import PositionsToRotations
from mocapcli.evaluation.records import METRICS
from mocapcli.evaluation.report import speed_words
from mocapcli.evaluation.settings import NEEDED
from mocapcli.evaluation.sources import code_commit, weights_digest
from mocapcli.formats import write_asset
from mocapcli.kinematics import motion_from_world

BY_NAME = {metric.name: metric for metric in METRICS}
TITLES = {"p2r": "Positions to rotations", "v2p": "Video to positions", "e2e": "Video to rotations"}
CHECKED = ("rotation_local_deg", "rotation_local_deg_all", "rotation_world_deg")


RUN = ".run"  # of the file beside figures that says what they are of
CARRIED = "Not measured anew, but taken from"
MARKS = """## Marks from outside

As their authors tell them, on other data, so marks to pass and no comparison. MoCapAnything V2 (rendered Truebones Zoo
and Objaverse), mean rotation error: 6.54° on its unseen split, about 10° end to end, about 17° for its factorised
predecessor. A public re-implementation of its second stage: 9.8° seen, 12.7° rare, 40.9° on skeletons truly held out.
"""


@dataclass(frozen=True)
class Job:
    """One run of `mocap eval`."""

    setting: str
    split: str
    appearance: str = "own"
    learnt: bool = False  # each rig for a while first

    @property
    def title(self) -> str:
        look = "" if self.appearance == "own" else f", {self.appearance}"
        return f"{TITLES[self.setting]} ({self.setting}), {self.split}{look}{', rigs learnt' if self.learnt else ''}"

    @property
    def name(self) -> str:
        return f"{self.setting}-{self.split}-{self.appearance}{'-learnt' if self.learnt else ''}"

    @property
    def drawn(self) -> bool:
        """Whether its charts are worth a place on the page."""
        return self.split == "unseen" and self.appearance == "own" and (self.learnt or self.setting != "e2e")

    def words(self, options: argparse.Namespace, cache: str, output: str) -> list[str]:
        """The command line."""
        count = options.per_family if self.split == "unseen" else options.seen_per_family
        look = [] if self.appearance == "own" else ["--appearance", self.appearance]
        # With the plain form beside it every rig would have to be learnt twice.
        direct = [] if options.direct_model is None or self.learnt else ["--direct-model", options.direct_model]
        model = ["--model", options.model, *direct, "--cache", cache]
        timed = self.split == "unseen" and self.appearance == "own" and not self.learnt and not options.no_speed
        speed = ["--speed"] if timed else []
        learnt = ["--adapt", options.adapt] if self.learnt else []
        # Rigs are learnt one after the other, each with all cores.
        workers = [] if options.workers is None or self.learnt else ["--workers", str(options.workers)]
        plot = ["--plot", str(self.plot(options))] if options.plots and self.drawn else []
        limit = ["--per-family", str(count), "--seed", str(options.seed)]
        what = ["eval", "--setting", self.setting, "--split", self.split]
        return [*what, *look, *model, *learnt, *limit, *workers, *speed, *plot, "-o", output]

    def plot(self, options: argparse.Namespace) -> Path:
        output: Path = options.output
        return output.with_name(f"{output.stem.lower()}-{self.name}.png")


@dataclass(frozen=True)
class Checked:
    """The closed form's angles on a clip: as `mocap eval` and as an independent look at the files have them."""

    family: str
    ours: list[float]
    independent: list[float]
    copy: float  # all joints


SPLITS = ("unseen", "seen", "rare")
JOBS = [
    *(Job("p2r", split) for split in SPLITS),
    *(Job("v2p", split) for split in SPLITS),
    *(Job("e2e", split) for split in SPLITS),
    Job("e2e", "unseen", "recoloured"),
    Job("e2e", "unseen", "other-body"),
]
LEARNT = [Job("e2e", "unseen", look, learnt=True) for look in ("own", "other-body")]


def run_job(job: Job, options: argparse.Namespace, cache: Cache) -> dict[str, Any] | str:
    """The JSON of a run, or why there is none."""
    stages = json.loads((model_folder(options.model) / "config.json").read_text())["network"]["stages"]
    if NEEDED[job.setting] not in stages:
        return f"no model yet: `{options.model}` holds no weights of stage `{NEEDED[job.setting]}`"
    if not evaluation_windows(cache, job.split):  # type: ignore[arg-type]
        return "these assets have no clips of this split"
    output = options.results / f"{job.name}.json"
    asked = asked_for(job, options, cache)
    if not (options.reuse and known(output, asked)):
        if main(job.words(options, str(cache.folder), str(output))) != 0:
            return "the run failed: its message is on the screen of whoever made this page"
        output.with_suffix(RUN).write_text(json.dumps(asked), encoding="utf-8")
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def asked_for(job: Job, options: argparse.Namespace, cache: Cache) -> dict[str, Any]:
    """What figures are of: the command, and what it names."""
    models = [options.model, *([options.direct_model] if options.direct_model and not job.learnt else [])]
    weights = [weights_digest(model_folder(model)) for model in models]
    return {"words": job.words(options, "", ""), "weights": weights, "cache": file_digest(cache.folder / INDEX)}


def known(output: Path, asked: dict[str, Any]) -> bool:
    """Whether figures of just that are there already."""
    beside = output.with_suffix(RUN)
    return output.exists() and beside.exists() and json.loads(beside.read_text(encoding="utf-8")) == asked


def section(job: Job, found: Mapping[str, Any] | str, options: argparse.Namespace) -> Iterator[str]:
    yield f"## {job.title}\n"
    if isinstance(found, str):
        yield f"Not measured: {found}.\n"
        return
    yield f"    mocap {' '.join(job.words(options, 'CACHE', 'FILE.json'))}\n"
    yield f"Mean over {len(found['families'])} families; code {found['commit'] or 'unknown'}. In brackets: skill.\n"
    yield table_of_rows(found)
    if options.plots and job.drawn:
        yield f"![Charts: {job.title}]({job.plot(options).name})\n"
    yield "".join(f"- {note}\n" for note in found["notes"])
    yield f"<details><summary>By family</summary>\n\n{table_of_families(found)}\n</details>\n"
    if "speed" in found:
        yield table_of_speed(found["speed"])


def carried(job: Job, page: str) -> Iterator[str]:
    """A section of an earlier page, and which weights it is of."""
    found = re.search(rf"^## {re.escape(job.title)}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)
    if found is None:
        return
    date, weights = (" ".join(re.findall(what, page)[:1]) for what in (r"Put together on (\S+)", r"weights (\w+)"))
    yield f"## {job.title}\n"
    if CARRIED not in found[1]:
        yield f"{CARRIED} the page of {date}: of weights {weights}.\n"
    yield found[1].strip("\n") + "\n"


def table_of_rows(found: Mapping[str, Any]) -> str:
    """Rows by figures, the copy first; absent rows say so, and rows with the very same figures share a line."""
    rows = found["rows"]
    names = [name for name in BY_NAME if name in rows[COPY]]
    lines = [["row", *(BY_NAME[name].description for name in names)]]
    absent = {note.partition(":")[0]: note.split(": ")[1] for note in found["notes"] if ": " in note}
    for alike in same_rows(rows):
        row = alike[0]
        cells = [with_skill(rows[row].get(name), rows[COPY][name], name, row == COPY) for name in names]
        if not measured(rows[row]):
            cells = [absent.get(row, "–"), *[""] * (len(names) - 1)]
        lines.append([" = ".join(f"`{name}`" for name in alike), *cells])
    return markdown(lines)


def same_rows(rows: Mapping[str, Mapping[str, float | None]]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for row, figures in rows.items():
        key = repr(sorted(figures.items())) if row != COPY and measured(figures) else row
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def measured(figures: Mapping[str, float | None]) -> bool:
    return any(value is not None for value in figures.values())


def with_skill(value: float | None, copy: float | None, name: str, plain: bool) -> str:
    if value is None:
        return "–"
    worth = math.nan if copy is None else skill(value, copy, BY_NAME[name].ideal)
    return f"{value:.2f}" if plain or not math.isfinite(worth) else f"{value:.2f} ({worth:+.2f})"


def table_of_families(found: Mapping[str, Any]) -> str:
    """The most telling figure that the setting has, family by family."""
    name = next(name for name in ("rotation_local_deg", "mpjpe_percent") if name in found["rows"][COPY])
    firsts = [alike[0] for alike in same_rows(found["rows"])]
    rows = [row for row in firsts if "_noise_" not in row and measured(found["rows"][row])]
    lines = [[BY_NAME[name].description, *(f"`{row}`" for row in rows)]]
    for family, figures in found["families"].items():
        lines.append([family, *(number(figures.get(row, {}).get(name)) for row in rows)])
    return markdown(lines)


def table_of_speed(speed: Mapping[str, Any]) -> str:
    lines = [["stage", "frames/s", "ms a frame"]]
    for stage, figures in speed["stages"].items():
        lines.append([stage, f"{figures['frames_per_second']:.1f}", f"{figures['milliseconds']:.2f}"])
    return f"Speed {speed_words(speed)}.\n\n{markdown(lines)}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def markdown(lines: Sequence[Sequence[str]]) -> str:
    first, *rest = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    rule = ["---", *["---:"] * (len(first) - 1)]
    return "".join("| " + " | ".join(line) + " |\n" for line in (first, rule, *rest))


def independent_check(cache: Cache, seed: int) -> list[Checked]:
    """One clip of each unseen family: exported, and its angles computed afresh by numpy and scipy."""
    checked = []
    with tempfile.TemporaryDirectory() as folder:
        predicted, truth = Path(folder) / "predicted.npz", Path(folder) / "truth.npz"
        for window in evaluation_windows(cache, "unseen", 1, seed):
            case = PositionsToRotations(noises=(0.0,), seed=seed).case(cache, window)
            rows = measure_case(case, BY_NAME)
            asset = cache.load(window.entry)
            motion = cut_motion(asset.motions[window.motion], window.start, window.frames)
            pose = case.predictions["closed_form"]
            world = np.tile(np.eye(4), (*pose.positions.shape[:2], 1, 1))
            world[..., :3, :3], world[..., :3, 3] = pose.rotations, pose.positions
            guess = motion_from_world("closed form", motion.fps, asset.rig.skeleton, world)
            write_asset(predicted, asset.with_motions([guess]))
            write_asset(truth, asset.with_motions([motion]))
            found = [float(value) for value in angles(predicted, truth, case.subject.reference_positions)]
            ours = [rows["closed_form"][name] for name in CHECKED]
            checked.append(Checked(window.entry.family, ours, found, rows[COPY]["rotation_local_deg_all"]))
    return checked


def check_section(checked: Sequence[Checked]) -> Iterator[str]:
    yield "## The closed form, checked\n"
    if not checked:
        yield "These assets have no unseen split.\n"
        return
    pairs = [list(zip(one.ours, one.independent, strict=True)) for one in checked]
    worst = max(abs(first - second) for clip in pairs for first, second in clip)
    own, copy = float(np.mean([one.ours[1] for one in checked])), float(np.mean([one.copy for one in checked]))
    yield (
        "One clip of each unseen family, on true positions. `mocap eval`'s figure, then the same angle recomputed from"
        " the exported files by [a few lines of numpy and scipy](../tests/independent_figures.py) that share no code"
        f" with it. **Largest difference: {worst:.1e}°.** All joints, mean: closed form {own:.1f}°, copy {copy:.1f}°.\n"
    )
    lines = [["family", "local °", "recomputed", "all joints °", "recomputed", "weighted world °", "recomputed"]]
    for one, clip in zip(checked, pairs, strict=True):
        lines.append([one.family, *(f"{value:.3f}" for pair in clip for value in pair)])
    yield markdown(lines)


def page(options: argparse.Namespace, cache: Cache) -> str:
    parts = list(heading(options, cache))
    before = options.carry.read_text(encoding="utf-8") if options.carry else ""
    for job in [*JOBS, *LEARNT]:
        if (job.learnt and not options.adapt) or (options.only and job.name not in options.only):
            parts += carried(job, before)
        else:
            parts += section(job, run_job(job, options, cache), options)
    parts += check_section(independent_check(cache, options.seed))
    parts.append(MARKS)
    return "\n".join(part for part in parts if part)


def heading(options: argparse.Namespace, cache: Cache) -> Iterator[str]:
    folder = model_folder(options.model)
    digest = json.loads((folder / "config.json").read_text())["sha256"]
    arguments = f"--cache CACHE --model {options.model} --per-family {options.per_family}"
    arguments += f" --seen-per-family {options.seen_per_family} --seed {options.seed}"
    arguments += "" if options.direct_model is None else f" --direct-model {options.direct_model}"
    arguments += "" if options.workers is None else f" --workers {options.workers}"
    arguments += "" if options.adapt is None else f" --adapt {options.adapt}"
    arguments += "" if options.only is None else f" --only {' '.join(options.only)}"
    arguments += "" if options.carry is None else f" --carry {options.carry}"
    arguments += " --plots" if options.plots else ""
    arguments += " --no-speed" if options.no_speed else ""
    arguments += " --note TEXT" if options.note else ""
    yield "# Benchmark\n"
    yield f"Put together on {datetime.date.today().isoformat()} at commit {code_commit() or 'unknown'} by\n"
    yield f"    python tests/benchmarks/make_benchmark_page.py {arguments} --output docs/BENCHMARK.md\n"
    yield (
        f"CACHE is made by `mocap data build ASSETS -o CACHE --zoo 144`; here it holds {len(cache.entries)} files of"
        f" {len({entry.family for entry in cache.entries})} families. The model is `{options.model}`, weights"
        f" {digest[:12]}. Every figure is defined in [METRICS.md](../mocapcli/evaluation/METRICS.md). `copy` repeats"
        " the reference pose, turned to the true facing (but in the two columns about facing); skill is 1 − error/copy:"
        " one for the truth, nil for what doing nothing scores.\n"
    )
    if options.note:
        yield f"{options.note}\n"


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--model", default="small")
    parser.add_argument("--direct-model")
    parser.add_argument("--per-family", type=int, default=6, help="windows of an unseen family")
    parser.add_argument("--seen-per-family", type=int, default=1, help="windows of the others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="as mocap eval has them")
    parser.add_argument("--adapt", metavar="TIME", help="also with each rig learnt for so long, on all cores")
    parser.add_argument("--no-speed", action="store_true", help="without timings, which take longer than figures")
    parser.add_argument("--plots", action="store_true", help="charts beside the page")
    parser.add_argument("--results", type=Path, help="folder to keep the JSON in (default: a temporary one)")
    parser.add_argument("--reuse", action="store_true", help="take results of the same command and weights")
    names = [job.name for job in (*JOBS, *LEARNT)]
    parser.add_argument("--only", metavar="JOB", nargs="+", choices=names, help=f"measure these: {', '.join(names)}")
    parser.add_argument("--carry", metavar="PAGE", type=Path, help="take sections that are not measured from it")
    parser.add_argument("--note", metavar="TEXT", help="what else a reader should know, for the head of the page")
    parser.add_argument("--output", type=Path, default=Path("docs/BENCHMARK.md"))
    return parser.parse_args(arguments)


def make(arguments: Sequence[str] | None = None) -> None:
    options = options_of(arguments)
    options.output.parent.mkdir(parents=True, exist_ok=True)  # charts are written beside it on the way
    with tempfile.TemporaryDirectory() as folder:
        options.results = options.results or Path(folder)
        options.results.mkdir(parents=True, exist_ok=True)
        text = page(options, open_cache(options.cache))
    options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    make()
