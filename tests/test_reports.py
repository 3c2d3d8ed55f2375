"""The report of a run: complete, self-contained, and safe whatever classes and files are called."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from PIL import Image

from byod import charts, measures, reports
from byod.modelcard import InputRule, Measured, Metrics, ModelCard
from byod.records import Split, Task

NASTY = '<script>alert("1")</script>'


def _card(classes=("brokkoli", "blumenkohl"), confusion=((18, 2), (1, 19)), **changes):
    import numpy as np

    table = np.array(confusion)
    scores = measures.class_scores(table, classes)
    metrics = Metrics(
        measured_on=Measured.TEST,
        pictures=int(table.sum()),
        accuracy=measures.accuracy(table),
        interval=(0.81, 0.98),
        macro_f1=measures.macro_f1(scores),
        log_loss=0.2,
        ece=0.03,
        ece_raw=0.06,
        per_class=scores,
        confusion=confusion,
    )
    values = {
        "run": "2026-01-01-fastai",
        "created": datetime(2026, 1, 1, 12, tzinfo=UTC),
        "task": Task.CLASSIFY,
        "plugin": "fastai",
        "arch": "squeezenet1_1",
        "pretrained": "squeezenet1_1.pth",
        "classes": classes,
        "input": InputRule(width=128, height=128),
        "temperature": 1.3,
        "parity": 2e-7,
        "model_sha256": "0" * 64,
        "metrics": metrics,
        "counts": {
            Split.TRAIN: {classes[0]: 90, classes[1]: 88},
            Split.VALID: {},
            Split.TEST: {classes[0]: 20},
        },
        "fingerprint": "f00",
        "licences": {"CC-BY-4.0": 120, "unknown": 3},
        "parameters": 1_234_567,
        "device": "cpu (2 threads)",
        "seed": 0,
        "seconds": 7.4,
        "options": {},
        "notes": {"best_epoch": 2},
        "versions": {"byod": "0.1.0"},
        "command": "byod train --plugin fastai",
    }
    return ModelCard(**{**values, **changes})


HISTORY = [
    {
        "epoch": n,
        "train_loss": 1 / (n + 1),
        "valid_loss": 1.1 / (n + 1),
        "accuracy": 0.6 + n / 10,
        "seconds": 1.0,
    }
    for n in range(4)
]


@pytest.fixture
def answers(tmp_path):
    picture = tmp_path / "a.png"
    Image.effect_noise((300, 200), 60).convert("RGB").save(picture)
    wrong = {
        "label": "brokkoli",
        "said": "blumenkohl",
        "probability_of_label": 0.1,
        "file": "images/brokkoli/a.png",
    }
    return [
        reports.Answer(path=picture, probability=0.9, **wrong),
        reports.Answer(path=tmp_path / "gone.png", probability=0.7, **wrong),
        reports.Answer(path=picture, probability=0.99, **{**wrong, "said": "brokkoli"}),
    ]


class _Strict(HTMLParser):
    """Sees that elements are closed in order, and collects what would be fetched."""

    EMPTY = {"meta", "img", "br", "line", "rect", "polyline", "link", "input", "hr"}

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for key, value in attrs if key in ("src", "href", "data", "srcset", "poster")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _parsed(page):
    parser = _Strict()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_the_page_fetches_nothing(answers):
    """Pictures are inside; no address, no script, no style sheet from elsewhere."""
    page = reports.render(_card(), HISTORY, answers)
    parsed = _parsed(page)
    assert parsed.fetched
    assert all(value.startswith("data:image/jpeg;base64,") for value in parsed.fetched)
    assert "script" not in parsed.tags
    assert not re.search(r"https?://|@import|url\(", page)


def test_the_headline_has_number_and_interval(answers):
    """The accuracy, how many pictures it stands on, and its interval."""
    page = reports.render(_card(), HISTORY, answers)
    assert "92.5 %" in page
    assert "37 of 40 pictures" in page
    assert "between 81.0 % and 98.0 %" in page


def test_worst_mistakes_come_first_and_only_mistakes(answers):
    """Two mistakes, the surer one first; the one whose file is gone says so; the right answer is not there."""
    page = reports.render(_card(), HISTORY, answers)
    assert page.count('<figure class="pic">') == 2
    assert page.index("</b> 90 %") < page.index("</b> 70 %")
    assert "cannot be opened any more" in page
    assert "99 %" not in page


def test_names_are_escaped(answers):
    """A class, a command or a version that is HTML stays text."""
    nasty = _card(
        classes=(NASTY, "b"), command=NASTY, versions={NASTY: NASTY}, arch=NASTY, licences={NASTY: 1}
    )
    mistake = answers[0].model_copy(update={"label": NASTY, "file": NASTY})
    page = reports.render(nasty, HISTORY, [mistake])
    assert "script" not in _parsed(page).tags
    assert "&lt;script&gt;" in page


def test_cross_validation_is_said(answers):
    """The page says how it was measured and shows the parts."""
    card = _card()
    metrics = card.metrics.model_copy(update={"measured_on": Measured.CROSS_VALIDATION, "folds": (0.9, 0.95)})
    page = reports.render(card.model_copy(update={"metrics": metrics}), HISTORY, answers)
    assert "cross-validated" in page
    assert "90.0 %, 95.0 %" in page


def test_without_history_or_mistakes(answers):
    """A trainer that logs nothing, and a model without a mistake, still give a page."""
    page = reports.render(_card(confusion=((20, 0), (0, 20))), [], answers[2:])
    _parsed(page)
    assert "How it learned" not in page
    assert "every picture was recognised" in page


def test_lines_stay_inside_their_frame():
    """Every point of a curve lies in the drawing, also for one epoch and for equal values."""
    for values in ([0.5], [1.0, 1.0], [9.0, 0.01, 3.0], [0.0, 0.0, 1.0]):
        for rate in (False, True):
            svg = charts.lines({"a": values}, title="a", percent=rate and max(values) <= 1)
            for x, y in re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', svg):
                assert 0 <= float(x) <= charts.WIDTH
                assert 0 <= float(y) <= charts.HEIGHT
