"""Which way to find the subject: the user's choice, else the first that fits, with the reason."""

from mocapcli.errors import InvalidDataError, PluginError, UsageError
from mocapcli.extensions import Segmenter
from mocapcli.subject.survey import Survey, Wishes

REMEDY = "show it with --segment box --box x,y,width,height, or give --mask FILE"


def choose_segmenter(survey: Survey, wishes: Wishes) -> tuple[Segmenter, str]:
    """The segmenter and one line about why: "static: the camera is still and 14% of the picture moves"."""
    from mocapcli.plugins import get_plugins

    segmenters = get_plugins().segmenters
    name = wishes.method or _implied(wishes)
    if name is not None:
        if name not in segmenters:
            known = ", ".join(sorted(segmenters))
            raise PluginError(f"no way to find a subject is called {name!r}", remedy=f"known: {known}")
        _check_complete(name, wishes)
        _check_used(segmenters[name], wishes)
        return segmenters[name], f"{name}: as asked for"
    if survey.black:
        raise InvalidDataError("the video is black all through: there is no subject", path=survey.video.path)
    return _first_that_fits(sorted(segmenters.values(), key=lambda each: each.order), survey)


def _implied(wishes: Wishes) -> str | None:
    if wishes.mask is not None:
        return "mask"
    return "box" if wishes.box is not None else None


def _check_complete(name: str, wishes: Wishes) -> None:
    if name == "box" and wishes.box is None:
        raise UsageError("--segment box needs --box x,y,width,height in pixels of the first frame")
    if name == "mask" and wishes.mask is None:
        raise UsageError("--segment mask needs --mask FILE, a video or a folder of masks")


def _check_used(segmenter: Segmenter, wishes: Wishes) -> None:
    """What would change nothing is a mistake."""
    for wish, option in (("box", "--box"), ("mask", "--mask"), ("model", "--segment-model")):
        if segmenter.uses is not None and wish not in segmenter.uses and getattr(wishes, wish) is not None:
            raise UsageError(f"{option} has no part in finding the subject by {segmenter.name}", remedy="leave it out")


def _first_that_fits(segmenters: list[Segmenter], survey: Survey) -> tuple[Segmenter, str]:
    reasons = []
    for segmenter in segmenters:
        if segmenter.judge is None:
            continue
        verdict = segmenter.judge(survey)
        if verdict.fits:
            return segmenter, f"{segmenter.name}: {verdict.why}"
        reasons.append(verdict.why)
    why = "; ".join(reasons)
    raise InvalidDataError(f"the subject cannot be told by itself: {why}", path=survey.video.path, remedy=REMEDY)
