"""`mocap view`: the page is whole and harmless, and a real browser shows the creature moving."""

import base64
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from factories import make_asset
from mocapcli.cli import main
from mocapcli.formats import read_asset, write_asset
from mocapcli.types import Asset, Rig
from mocapcli.view.page import facts_of, page, safe_json, write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --use-angle=swiftshader --hide-scrollbars "
    "--enable-unsafe-swiftshader --window-size=400,400 --virtual-time-budget=2000 --enable-logging=stderr"
).split()
HARMLESS = ("GPU stall due to ReadPixels",)  # said of taking the screenshot, not of the page
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>&amp;{{asset}}\u2028"
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")


def hostile_asset(mesh: bool = True) -> Asset:
    asset = make_asset(clips=1, mesh=mesh)
    skeleton = replace(asset.rig.skeleton, names=(HOSTILE, *asset.rig.skeleton.names[1:]))
    motion = replace(asset.motions[0], name=f"clip {HOSTILE}")
    return Asset(Rig(skeleton, asset.rig.mesh, HOSTILE), (motion,))


class Elements(HTMLParser):
    """The page as a browser takes it apart: start tags, and the text of each element with an id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = dict(attributes).get("id") or tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        self.texts[self.inside] = self.texts.get(self.inside, "") + data


# ---------------------------------------------------------------- the page as text


def test_the_page_holds_all_it_needs_and_fetches_nothing():
    text = page(make_asset(clips=2), "rig.glb")
    elements = Elements(text)
    assert [tag for tag, _ in elements.tags].count("script") == 3
    assert not any("src" in attributes or "href" in attributes for _, attributes in elements.tags)
    assert "default-src 'none'" in text and "@license" in text
    assert len(text) < 1_200_000


def test_the_glb_inside_is_the_asset(tmp_path):
    asset = make_asset(clips=2)
    inside = base64.b64decode(Elements(page(asset, "x")).texts["asset"], validate=True)
    (tmp_path / "inside.glb").write_bytes(inside)
    again = read_asset(tmp_path / "inside.glb")
    assert again.rig.skeleton.names == asset.rig.skeleton.names
    assert [motion.name for motion in again.motions] == ["clip0", "clip1"]


def test_names_stay_names():
    text = page(hostile_asset(), HOSTILE)
    elements = Elements(text)
    assert [tag for tag, _ in elements.tags].count("script") == 3
    assert not any(tag == "img" or attributes.get("onerror") for tag, attributes in elements.tags)
    facts = json.loads(elements.texts["facts"])
    assert facts["joints"][0]["name"] == HOSTILE
    assert facts["clips"][0]["name"] == f"clip {HOSTILE}"
    assert elements.texts["title"] == HOSTILE


@pytest.mark.parametrize("name", ["</script>", "<!--", "]]>", "\u2028", "\ud800", "\x00", '"\\', "日本"])
def test_json_cannot_leave_its_element(name):
    text = safe_json({"name": name})
    assert not re.search(r"[<>&\u2028]", text) and text.isascii()
    assert json.loads(text) == {"name": name}


def test_facts_say_where_the_subject_is_and_whether_it_travels():
    asset = make_asset(clips=1, frames=20)
    motion = asset.motions[0]
    moved = np.array(motion.translations)
    moved[:, 0, 0] += np.linspace(0, 40, motion.frames)
    facts = facts_of(asset.with_motions([motion, replace(motion, translations=moved)]))
    here, away = facts["clips"]
    assert (here["travels"], away["travels"]) == (False, True)
    assert np.ptp([away["low"], away["high"]], axis=0).max() < 10  # boxed as if it stayed
    assert here["frames"] == 20 and here["fps"] == 30


# ---------------------------------------------------------------- the command


def run(capsys, *arguments) -> tuple[int, str, str]:
    code = main(["view", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def rig(tmp_path) -> Path:
    write_asset(tmp_path / "rig.glb", make_asset(clips=2))
    return tmp_path / "rig.glb"


def test_the_page_stands_beside_the_file_by_default(capsys, rig):
    code, out, err = run(capsys, rig)
    assert (code, err) == (0, "")
    assert out.startswith(f"{rig.with_suffix('.html')}: ")
    assert rig.with_suffix(".html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_chosen_clips_only(capsys, rig, tmp_path):
    assert run(capsys, rig, "-o", tmp_path / "a.html", "--clip", "clip1")[0] == 0
    facts = json.loads(Elements((tmp_path / "a.html").read_text("utf-8")).texts["facts"])
    assert [clip["name"] for clip in facts["clips"]] == ["clip1"]


def test_open_opens_it(capsys, rig, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert run(capsys, rig, "-o", tmp_path / "a b.html", "--open")[0] == 0
    assert opened == [(tmp_path / "a b.html").as_uri()]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["-o", "a.png"], 2, "name it .html"),
        (["--clip", "nap"], 1, "no clip 'nap'"),
        (["-o", "nowhere/a.html"], 1, "there is no folder"),
    ],
)
def test_mistakes_are_told_in_one_line(capsys, rig, tmp_path, monkeypatch, options, code, words):
    monkeypatch.chdir(tmp_path)
    got, out, err = run(capsys, rig, *options)
    assert (got, out) == (code, "") and words in err and err.count("\n") == 1
    assert os.listdir(tmp_path) == ["rig.glb"]


# ---------------------------------------------------------------- in a real browser


def shoot(folder: Path, html: Path, wishes: str) -> np.ndarray:
    """A screenshot of the page; nothing may have gone wrong on its console."""
    picture = folder / "shot.png"
    picture.unlink(missing_ok=True)
    said = browse(folder, html, wishes, f"--screenshot={picture}").stderr
    complaints = [line for line in said.splitlines() if ":CONSOLE:" in line and not any(h in line for h in HARMLESS)]
    assert not complaints, complaints
    with Image.open(picture) as image:
        return np.array(image.convert("RGB")).astype(int)


def browse(folder: Path, html: Path, wishes: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *options, f"{html.as_uri()}#{wishes}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def middle(picture: np.ndarray) -> np.ndarray:
    """Away from title and controls."""
    return picture[60:260, 60:340]


@needs_browser
def test_the_browser_shows_the_creature_and_it_moves(tmp_path):
    html = tmp_path / "rig.html"
    write_page(html, make_asset(clips=1, frames=31, seed=3), "rig")
    empty = shoot(tmp_path, html, "time=0&mesh=0&ground=0")
    early, late = (shoot(tmp_path, html, f"time={time}&ground=0") for time in (0, 0.6))
    shown = np.abs(middle(early) - middle(empty)).max(axis=-1) > 24
    moved = np.abs(middle(early) - middle(late)).max(axis=-1) > 24
    assert shown.mean() > 0.02
    assert moved.sum() > 0.2 * shown.sum()


@needs_browser
def test_the_same_moment_looks_the_same(tmp_path):
    html = tmp_path / "rig.html"
    write_page(html, make_asset(clips=1), "rig")
    first, second = (shoot(tmp_path, html, "time=0.1&theme=dark") for _ in range(2))
    assert np.array_equal(middle(first), middle(second))


@needs_browser
@pytest.mark.parametrize("clips", [0, 1])
def test_rigs_without_mesh_show_their_bones(tmp_path, clips):
    html = tmp_path / "bones.html"
    write_page(html, make_asset(clips=clips, mesh=False), "bones")
    bare, bones = (shoot(tmp_path, html, f"time=0&ground=0&skeleton={shown}") for shown in (0, 1))
    assert (np.abs(middle(bones) - middle(bare)).max(axis=-1) > 24).mean() > 0.01


@needs_browser
def test_hostile_names_do_nothing_in_the_browser(tmp_path):
    html = tmp_path / "hostile.html"
    write_page(html, hostile_asset(), HOSTILE)
    found = browse(tmp_path, html, "time=0.1", "--dump-dom")
    elements = Elements(found.stdout)
    assert 'data-state="ready"' in found.stdout
    assert not any(tag == "img" for tag, _ in elements.tags)
    assert elements.texts["title"].startswith("</script>")  # still the title: the script did not run
    assert elements.texts["clock"] == "0.10 s · frame 3 of 6"


@needs_browser
def test_a_damaged_asset_is_told_on_the_page(tmp_path):
    html = tmp_path / "bad.html"
    text = page(make_asset(), "rig")
    html.write_text(re.sub(r'(id="asset">)[^<]{40}', r"\1" + "AAAA" * 10, text), "utf-8")
    assert "The asset cannot be shown" in Elements(browse(tmp_path, html, "", "--dump-dom").stdout).texts["message"]
