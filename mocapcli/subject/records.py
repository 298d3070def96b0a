"""Our ways to find the subject, as plugins register them; each loads its code on first use."""

from typing import TYPE_CHECKING

from mocapcli.extensions import Segmenter

if TYPE_CHECKING:
    from mocapcli.subject.survey import Masker, Survey, Verdict, Wishes


def _open_alpha(survey: "Survey", wishes: "Wishes") -> "Masker":
    from mocapcli.subject.alpha import open_masker

    return open_masker(survey, wishes)


def _judge_alpha(survey: "Survey") -> "Verdict":
    from mocapcli.subject.alpha import judge

    return judge(survey)


def _open_static(survey: "Survey", wishes: "Wishes") -> "Masker":
    from mocapcli.subject.static import open_masker

    return open_masker(survey, wishes)


def _judge_static(survey: "Survey") -> "Verdict":
    from mocapcli.subject.static import judge

    return judge(survey)


def _open_box(survey: "Survey", wishes: "Wishes") -> "Masker":
    from mocapcli.subject.box import open_masker

    return open_masker(survey, wishes)


def _open_mask(survey: "Survey", wishes: "Wishes") -> "Masker":
    from mocapcli.subject.given import open_masker

    return open_masker(survey, wishes)


def _open_rembg(survey: "Survey", wishes: "Wishes") -> "Masker":
    from mocapcli.subject.matting import open_masker

    return open_masker(survey, wishes)


def _judge_rembg(survey: "Survey") -> "Verdict":
    from mocapcli.subject.matting import judge

    return judge(survey)


SEGMENTERS = (
    Segmenter(
        "alpha", "the alpha channel, or all that is not the plain colour behind", _open_alpha, _judge_alpha, 10, uses=()
    ),
    Segmenter("static", "what moves in front of a still camera", _open_static, _judge_static, 20, uses=()),
    Segmenter(
        "rembg",
        "a matting network (extra rembg; its weights are downloaded)",
        _open_rembg,
        _judge_rembg,
        30,
        uses=("model",),
    ),
    Segmenter("box", "what a box in the first frame holds, followed by its colours", _open_box, uses=("box",)),
    Segmenter("mask", "a mask video or a folder of masks", _open_mask, uses=("mask",)),
)
