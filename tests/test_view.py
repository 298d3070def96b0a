"""`mocap view`: the page is whole and harmless, and a real browser shows the creature moving."""

import base64
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from browser import CHROMIUM, Browser, Page
from factories import make_asset
from mocapcli.cli import main
from mocapcli.formats import read_asset, write_asset
from mocapcli.kinematics import motion_world
from mocapcli.types import Asset, Rig
from mocapcli.view.page import facts_of, page, safe_json, write_page

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>&amp;{{asset}}\u2028"


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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def show(browser, tmp_path):
    """Opens the page of an asset; at the end of the test nothing may have gone wrong on any console."""
    opened = []

    def open_page(asset: Asset, wishes: str = "", title: str = "rig") -> Page:
        html = tmp_path / "page.html"
        write_page(html, asset, title)
        opened.append(browser.open(html, wishes))
        return opened[-1]

    yield open_page
    for shown in opened:
        assert shown.complaints() == []
        shown.close()


def middle(picture: np.ndarray) -> np.ndarray:
    """Away from title and controls."""
    return picture[70:440, 60:540]


def differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.abs(middle(first) - middle(second)).max(axis=-1) > 24


def test_the_browser_shows_the_creature_and_it_moves(show):
    asset = make_asset(clips=1, frames=31, seed=3)
    empty = show(asset, "time=0&mesh=0&ground=0").shoot()
    early, late = (show(asset, f"time={time}&ground=0").shoot() for time in (0, 0.6))
    shown = differ(early, empty)
    assert shown.mean() > 0.02
    assert differ(early, late).sum() > 0.2 * shown.sum()


def test_the_browser_draws_what_our_renderer_draws(show):
    """Joints as the page poses them are where our kinematics says."""
    asset = make_asset(clips=2, frames=31, scaled=True, translated=True)
    page = show(asset, "clip=1&time=0.5&skeleton=1")
    expected = motion_world(asset.rig.skeleton, asset.motions[1])[15, :, :3, 3]
    for place, name in enumerate(asset.rig.skeleton.names):
        text = page.tell(f"mocapView.pick({place})")
        assert text[0] == name
        np.testing.assert_allclose(text[1], expected[place], atol=1e-4)


def test_the_same_moment_looks_the_same(show):
    first, second = (show(make_asset(clips=1), "time=0.1&theme=dark").shoot() for _ in range(2))
    assert not differ(first, second).any()


@pytest.mark.parametrize("clips", [0, 1])
def test_rigs_without_mesh_show_their_bones(show, clips):
    asset = make_asset(clips=clips, mesh=False)
    bare, bones = (show(asset, f"time=0&ground=0&skeleton={shown}").shoot() for shown in (0, 1))
    assert differ(bones, bare).mean() > 0.005


def test_keys_and_slider_move_through_time(show):
    page = show(make_asset(clips=2, frames=31), "time=0")
    clock = "document.getElementById('clock').textContent"
    for key, told in [
        ("ArrowRight", "0.03 s · frame 1 of 30"),
        ("ArrowRight", "0.07 s · frame 2 of 30"),
        ("ArrowLeft", "0.03 s · frame 1 of 30"),
        ("End", "1.00 s · frame 30 of 30"),
        ("ArrowDown", "0.00 s · frame 0 of 31"),
    ]:
        page.press(key)
        assert page.tell(clock) == told
    page.tell("document.getElementById('scrub').value = '4'")
    page.tell("document.getElementById('scrub').dispatchEvent(new Event('input'))")
    assert page.tell(clock) == "0.13 s · frame 4 of 31"
    page.press(" ")
    page.wait_for(f"{clock} !== '0.13 s · frame 4 of 31'")
    page.press(" ")
    still = page.tell(clock)
    page.settle()
    assert page.tell(clock) == still


def test_switches_show_and_hide(show):
    page = show(make_asset(clips=1), "time=0&ground=0")
    body = page.shoot()
    page.press("m")
    empty = page.shoot()
    page.press("s")
    bones = page.shoot()
    assert differ(body, empty).mean() > differ(bones, empty).mean() > 0.005


def test_the_joint_under_the_pointer_is_named_and_kept_when_clicked(show):
    asset = make_asset(clips=1)
    page = show(asset, "time=0&skeleton=1")
    x, y = page.tell("mocapView.place(3)")
    page.mouse("mouseMoved", x + 3, y)
    assert page.tell("document.getElementById('hover').textContent") in asset.rig.skeleton.names
    assert page.tell("document.getElementById('hover').hidden") is False
    page.mouse("mousePressed", x, y)
    page.mouse("mouseReleased", x, y)
    page.mouse("mouseMoved", 5, 200)
    assert page.tell("document.getElementById('hover').hidden") is True
    assert page.tell("document.getElementById('joint').hidden") is False
    assert page.tell("document.querySelector('#joint strong').textContent") in asset.rig.skeleton.names


def test_a_drag_turns_the_view(show):
    page = show(make_asset(clips=1), "time=0&ground=0")
    before = page.shoot()
    page.mouse("mousePressed", 200, 150)
    page.mouse("mouseMoved", 290, 170)
    page.mouse("mouseReleased", 290, 170)
    assert differ(before, page.shoot()).mean() > 0.01


def test_hostile_names_do_nothing_in_the_browser(show):
    page = show(hostile_asset(), "time=0.1", title=HOSTILE)
    assert page.tell("document.title").startswith("</script>")  # still the title: the script did not run
    assert page.tell("document.images.length + document.scripts.length") == 3
    assert page.tell("mocapView.pick(0)[0]") == HOSTILE
    assert page.tell("document.querySelector('#joint strong').textContent") == HOSTILE
    assert page.tell("document.getElementById('clip').options[0].text").startswith("clip </script>")


def test_a_damaged_asset_is_told_on_the_page(browser, tmp_path):
    html = tmp_path / "bad.html"
    text = page(make_asset(), "rig")
    html.write_text(re.sub(r'(id="asset">)[^<]{40}', r"\1" + "AAAA" * 10, text), "utf-8")
    shown = browser.open(html, state="failed")
    assert "The asset cannot be shown" in shown.tell("document.getElementById('message').textContent")
    shown.close()


def test_the_bundle_was_made_from_the_source():
    """Every longer text of viewer.js is in viewer.min.js: whoever changes one must build the other."""
    folder = files("mocapcli.view")
    source = folder.joinpath("viewer.js").read_text("utf-8")
    bundle = folder.joinpath("viewer.min.js").read_text("utf-8")
    texts = set(re.findall(r"'([\w .:-]{5,})'", source)) - {"three"}
    assert len(texts) > 30
    assert [text for text in texts if text not in bundle] == []
