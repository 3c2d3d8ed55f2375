"""The report of a run, and the page that compares runs: complete, self-contained, bounded, in two languages."""

import base64
import dataclasses
import hashlib
import io
import os
import re
from collections import Counter
from datetime import UTC, datetime
from html.parser import HTMLParser

import direct_training as training
import numpy as np
import pytest
import report_material as material
from colour_trainer import Colour, coloured
from PIL import Image
from report_material import HISTORY, HOSTILE

from byod.report import charts, html, overfitting
from byod.report.i18n import many, moment, number, percent, points, say
from byod.schema.annotator_agreement import Agreement
from byod.schema.least_alike_score import LeastAlike
from byod.schema.model_card import InputRule, Measured
from byod.schema.records import Example, Split
from byod.schema.right_labels import LabelQuality
from byod.tasks.classify.report import page, saliency, wording
from byod.tasks.classify.report.compare_page import page as compare_page
from byod.tasks.classify.report.contents import ReportContents, ShownPrediction
from byod.tasks.classify.report.page import render
from byod.training import statistics


class Elements(HTMLParser):
    """Sees that elements are closed in order; gathers tags, attributes, and the words of each language."""

    EMPTY = {"meta", "img", "br", "link", "input", "hr"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes = [], Counter(), []
        self.scripts, self.texts = [], {"en": [], "de": []}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in self.EMPTY:
            found = dict(attrs)
            only = found.get("data-in") or found.get("lang") if tag in ("span", "text") else None
            self.open.append((tag, only))

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        tags = [tag for tag, _ in self.open]
        if "script" in tags:
            self.scripts.append(data)
        elif "style" not in tags:
            chosen = {language for _, only in self.open if only for language in only.split()}
            for language, texts in self.texts.items():
                if not chosen or language in chosen:
                    texts.append(data)

    def words(self, language="en"):
        return " ".join("".join(self.texts[language]).split())

    def values(self, *names):
        return [value for _, key, value in self.attributes if key in names]


def read(text):
    return Elements(text)


def test_the_pages_fetch_nothing(tmp_path):
    """All addresses lie inside the page; its one script is the one its policy names, which forbids the rest."""
    for text in (
        render(material.contents(tmp_path)),
        compare_page(material.comparison()),
    ):
        seen = read(text)
        addresses = seen.values("src", "href", "data", "srcset", "poster", "action")
        assert all(
            value.startswith(("data:image/jpeg;base64,", "data:image/png;base64,", "#"))
            for value in addresses
        )
        assert not re.search(r"https?://|@import|url\(", text)
        [script] = seen.scripts
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        [policy] = [value for value in seen.values("content") if "default-src" in value]
        assert policy == html.POLICY
        assert f"script-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy


def test_links_inside_the_page_lead_somewhere(tmp_path):
    """Every #address, every name of a drawing and every button's target is the id of exactly one element."""
    for text in (render(material.contents(tmp_path)), compare_page(material.comparison())):
        seen = read(text)
        ids = Counter(seen.values("id"))
        assert set(ids.values()) == {1}
        wanted = {value[1:] for value in seen.values("href") if value.startswith("#")}
        wanted |= set(seen.values("popovertarget", "aria-labelledby", "for"))
        assert wanted
        assert wanted <= ids.keys()


def test_the_report_says_everything(tmp_path):
    """Headline with interval, probe, curves, rate, confusions, mistakes, calibration, doubts, origin, repetition."""
    seen = read(render(material.contents(tmp_path)))
    for expected in (
        "92.5 %",
        "37 of 40 pictures that the model had never seen were recognised.",
        "between 81.0 % and 98.0 % (95 % interval)",
        "Was fine-tuning worth it? ",
        "Yes, the model is better. +5.0 percentage points (95 %: +1.0 to +9.0) on the same 40 pictures: "
        "3 only the model got right, 1 only the probe. Chance alone hardly gives this (p = 0.010). "
        "The probe took 2.3 s, this training 7.4 s.",
        "No overfitting: the loss on validation pictures was still falling in the last epoch.",
        "The rule: overfitting is called out when the validation loss ends 10 % or more above its lowest value",
        "suggested 0.01",
        "used 0.005",
        "brokkoli, called blumenkohl: 2 pictures",
        "3 of 40 pictures taken for something else",
        "Least sure pictures",
        "covering it took certainty away",
        "off by 3.0 percentage points on average (expected calibration error); 6.0 without the temperature of 1.30",
        "3 labels look wrong",
        "byod check --suspects",
        "1,234,567 parameters",
    ):
        assert expected.strip() in seen.words(), expected


def test_the_report_says_how_good_the_labels_were_that_the_model_learned_from(tmp_path):
    """The figure of a random sample with its interval, and how far people agree; nothing where nobody looked."""
    contents = material.contents(tmp_path)
    assert "Of the labels it was made from" not in read(render(contents)).words()
    told = {
        "label_quality": LabelQuality(draw=1, right=47, number=50),
        "agreement": Agreement(pictures=40, agreement=0.9, alpha=0.784),
    }
    seen = read(render(dataclasses.replace(contents, card=contents.card.model_copy(update=told))))
    assert (
        "Of the labels it was made from: 94 % of labels right (84–98 %, 95 % interval), by a random sample of 50"
    ) in seen.words()
    assert "In 90 % of pairs of answers about 40 pictures people said the same" in seen.words()
    assert "Krippendorff’s alpha is 0.78" in seen.words()


def test_german_says_the_same(tmp_path):
    """The same facts in German, with German commas; there is no German without its English and the other way round."""
    seen = read(render(material.contents(tmp_path)))
    for expected in (
        "37 von 40 Bildern, die das Modell nie gesehen hatte, wurden erkannt.",
        "zwischen 81,0 % und 98,0 %",
        "Ja, das Modell ist besser. +5,0 Prozentpunkte",
        "1.234.567 Parameter",
        "Hat sich das Nachtrainieren gelohnt?",
    ):
        assert expected in seen.words("de"), expected
        assert expected not in seen.words("en")
    for text in (render(material.contents(tmp_path)), compare_page(material.comparison())):
        languages = Counter(read(text).values("lang"))
        assert languages["en"] - 1 == languages["de"] > 10  # one more: the page begins in English
        assert "data-in" not in {name for _, name, _ in read(text).attributes}


def test_strangers_text_stays_text(tmp_path):
    """Hostile class names, files, options and versions add no element and no attribute to either page."""
    plain = read(render(material.contents(tmp_path / "a")))
    hostile = read(render(material.contents(tmp_path / "b", HOSTILE, HOSTILE + "2", HOSTILE)))
    assert hostile.tags == plain.tags
    assert Counter(pair[:2] for pair in hostile.attributes) == Counter(pair[:2] for pair in plain.attributes)
    assert "{{ 7*7 }}" in hostile.words()
    plain, hostile = (read(compare_page(material.comparison(words))) for words in ("words", HOSTILE))
    assert hostile.tags == plain.tags
    assert Counter(pair[:2] for pair in hostile.attributes) == Counter(pair[:2] for pair in plain.attributes)


def test_every_picture_stands_in_the_page_once(tmp_path):
    """However often a picture is shown, its bytes are there once; what is shown is what the cell or wall says."""
    contents = material.contents(tmp_path, look=None)
    seen = read(render(contents))
    kept = [value for tag, key, value in seen.attributes if (tag, key) == ("image", "href")]
    assert len(kept) == len(set(kept)) == len(contents.answers)
    assert seen.tags["use"] > len(kept)


def test_worst_mistakes_come_first(tmp_path):
    """The surest wrong answer leads, the least sure answers have their own wall, files that are gone say so."""
    contents = material.contents(tmp_path)
    wrong = sorted((a for a in contents.answers if not a.right), key=lambda a: (-a.probability, a.file))
    wrong[0].path.unlink()
    wrong[1].path.write_bytes(b"no picture")
    text = render(contents)
    section = text[text.index('<section id="mistakes">') : text.index('<section id="where">')]
    mistakes, unsure = section.split("<h3>")
    files = re.findall(r'<small title="images/\w+/(\d+\.jpg)">', mistakes)
    assert files == [a.path.name for a in wrong]
    assert "the file is gone" in mistakes
    assert "cannot be shown: not-a-picture" in mistakes
    least = sorted(contents.answers, key=lambda a: a.probability)[: page.UNSURE]
    assert len(re.findall(r"<small title=", unsure)) == len(least)


def test_a_cell_opens_its_own_pictures(tmp_path):
    """Behind each count of the confusion matrix are its pictures, the odd ones first; an empty cell opens nothing."""
    contents = material.contents(tmp_path, card=material.card(confusion=((18, 2), (0, 20))))
    contents = ReportContents(contents.card, HISTORY, material.answers(tmp_path, contents.card))
    text = render(contents)
    seen = read(text)
    assert sorted(set(seen.values("popovertarget"))) == ["cell-0-0", "cell-0-1", "cell-1-1"]
    cells = {
        key: re.findall(r'title="images/(\w+)/(\d+)\.jpg"', part)
        for key, part in re.findall(r'<div popover id="([\w-]+)">(.*?)</div>\s*</div>', text, re.S)
    }
    assert {key: {label for label, _ in files} for key, files in cells.items()} == {
        "cell-0-0": {"brokkoli"},
        "cell-0-1": {"brokkoli"},
        "cell-1-1": {"blumenkohl"},
    }
    assert {key: len(files) for key, files in cells.items()} == {
        "cell-0-0": 18,
        "cell-0-1": 2,
        "cell-1-1": 20,
    }
    assert [n for _, n in cells["cell-0-0"]] == [f"{n:03}" for n in reversed(range(18))]  # least sure first
    assert [n for _, n in cells["cell-0-1"]] == ["018", "019"]  # surest first


def test_cross_validation_is_said(tmp_path):
    """The page says how it was measured, shows the parts, and counts every picture as tested."""
    card = material.card()
    metrics = card.metrics.model_copy(update={"measured_on": Measured.CROSS_VALIDATION, "folds": (0.9, 0.95)})
    card = card.model_copy(update={"metrics": metrics})
    seen = read(render(ReportContents(card, HISTORY, material.answers(tmp_path, card), look=material.look)))
    assert "Cross-validated" in seen.words()
    assert "90.0 % · 95.0 %" in seen.words()
    assert "Kreuzvalidiert" in seen.words("de")
    assert "may have learned from some of these pictures" in seen.words()


def test_what_is_missing_is_said_in_a_line(tmp_path):
    """A bare run gives a page too: it says that there was no probe, how to get it, and that nobody doubted labels."""
    card = material.card(confusion=((20, 0), (0, 20)))
    seen = read(render(ReportContents(card, (), material.answers(tmp_path, card))))
    assert "uv pip install -e plugins/byod-sklearn" in seen.words()
    assert "Nobody looked" in seen.words()
    assert "every picture was recognised" in seen.words()
    for absent in ("How it learned", "Where it looks", "Learning-rate finder"):
        assert absent not in seen.words()
    seen = read(render(ReportContents(card.model_copy(update={"suspects": 0}))))
    assert "None was found." in seen.words()


@pytest.mark.parametrize(
    ("difference", "p_value", "level", "words"),
    [
        (0.05, 0.01, "good", "Yes, the model is better."),
        (0.05, 0.30, "warn", "Not shown: the difference may be chance"),
        (-0.05, 0.30, "warn", "Not shown"),
        (-0.05, 0.01, "bad", "No: the quick probe is better."),
    ],
)
def test_whether_it_was_worth_it(difference, p_value, level, words):
    """The verdict follows the sign of the difference, and only where chance hardly explains it."""
    finding = wording.worth(material.card(probe=material.probe(difference, p_value)))
    assert finding.level == level
    assert finding.words.text().startswith(words)


def test_the_bar_is_not_compared_with_itself():
    """A run of the probe's own trainer says that it is the bar."""
    assert (
        wording.worth(material.card(plugin="sklearn")).words.text() == "This model is the instant bar itself."
    )


def _curve(train, valid, **more):
    series = {"train_loss": train, "valid_loss": valid, **more}
    return [{key: values[n] for key, values in series.items()} for n in range(len(valid))]


@pytest.mark.parametrize(
    ("history", "level", "words"),
    [
        (
            _curve([0.9, 0.5, 0.3, 0.1], [0.9, 0.5, 0.6, 0.8]),
            "warn",
            "It overfits: after epoch 2 the loss on valid",
        ),
        (
            _curve([0.9, 0.5, 0.5, 0.6], [0.9, 0.5, 0.6, 0.8]),
            "good",
            "No overfitting",
        ),  # training rose as well
        (_curve([0.9, 0.5, 0.3, 0.1], [0.9, 0.5, 0.51, 0.52]), "good", "No overfitting"),  # hardly rose
        (
            _curve([0.9, 0.5, 0.3], [0.9, 0.6, 0.5]),
            "",
            "No overfitting: the loss on validation pictures was still",
        ),
        (
            _curve(
                [0.9, 0.5, 0.3], [0.9, 0.5, 0.5], train_accuracy=[0.6, 0.9, 1.0], accuracy=[0.6, 0.8, 0.8]
            ),
            "warn",
            "It overfits: in the end it recognised 100.0 % of its training pictures, but only 80.0 %",
        ),
        (_curve([0.1], [0.3], train_accuracy=[1.0], accuracy=[0.8]), "warn", "It overfits: in the end"),
        (_curve([0.1], [0.3]), "", "With fewer than 3 epochs"),
        (_curve([0.1, 0.2, float("nan")], [0.3, 0.2, 0.1]), "bad", "The loss became infinite"),
    ],
)
def test_overfitting_is_called_out(history, level, words):
    """By the rule on the page: a validation loss that rose while the other fell, or a gap in accuracy."""
    finding = overfitting.finding(history, None)
    assert finding is not None
    assert (finding.level, finding.words.text()[: len(words)]) == (level, words)


def test_overfitting_that_was_caught_does_no_harm():
    """When the weights kept are those of the best epoch, the page says so; else it says what would help."""
    history = _curve([0.9, 0.5, 0.3, 0.1], [0.9, 0.5, 0.6, 0.8])
    caught, missed = (overfitting.finding(history, kept) for kept in (1, 3))
    assert "is not harmed" in caught.words.text()
    assert "Fewer epochs" in missed.words.text()


def test_a_training_without_losses_has_no_verdict():
    """Nothing is claimed about curves that are not there."""
    assert overfitting.finding([], None) is None
    assert overfitting.finding([{"epoch": 0, "accuracy": 0.5}], None) is None


def test_an_occlusion_map_is_warm_where_the_model_looks(tmp_path):
    """For a model that looks at the upper left quarter alone, the veil is warm there and clear everywhere else."""
    image = np.full((48, 64, 3), 60, np.uint8)
    image[:24, :32] = (230, 60, 60)
    path = tmp_path / "red.png"
    Image.fromarray(image).save(path)
    answer = ShownPrediction(
        path=path,
        file="red.png",
        label="a",
        said="a",
        probability=0.9,
        probability_raw=0.9,
        probabilities={"a": 0.9, "b": 0.1},
    )
    rule = InputRule(width=64, height=48)
    [made] = saliency.maps([answer], material.look, rule, ("a", "b"), right=1, wrong=1)
    assert (made.said, made.clear) == ("a", True)
    assert made.before > 0.95
    assert made.least < made.before
    veil = np.asarray(Image.open(io.BytesIO(made.veil)).convert("RGBA")).astype(float)
    height, width = veil.shape[:2]
    inside = veil[: height // 2 - 8, : width // 2 - 8]
    outside = np.concatenate([veil[height // 2 + 10 :].ravel(), veil[:, width // 2 + 10 :].ravel()])
    assert inside[..., 3].mean() > 80
    assert (inside[..., 0] > inside[..., 2]).mean() > 0.95
    assert outside.reshape(-1, 4)[:, 3].max() < 40
    assert Image.open(io.BytesIO(made.picture)).size == (64, 48)


def test_no_place_is_pointed_out_where_none_matters(tmp_path):
    """A model that says the same of everything gets an empty veil, and the map says so."""
    card = material.card()
    answers = material.answers(tmp_path, card)

    def deaf(pictures):
        return np.tile(np.array([[0.7, 0.3]], np.float32), (len(pictures), 1))

    made = saliency.maps(answers, deaf, card.input, card.classes, right=1, wrong=0)
    assert [each.clear for each in made] == [False]
    assert np.asarray(Image.open(io.BytesIO(made[0].veil)).convert("RGBA"))[..., 3].max() == 0
    seen = read(render(ReportContents(card, (), answers, look=deaf)))
    assert "no single place matters much" in seen.words()


def test_which_pictures_get_maps(tmp_path):
    """Two right ones of different classes, then the wrong ones and the least sure; one that is gone is passed over."""
    card = material.card(confusion=((18, 2), (0, 20)))
    answers = material.answers(tmp_path, card)
    right, others = saliency.chosen(answers)
    assert {a.label for a in right[:2]} == {"brokkoli", "blumenkohl"}
    assert all(a.right for a in right)
    assert [a.right for a in others[:4]] == [False, False, True, True]
    others[0].path.unlink()
    made = saliency.maps(answers, material.look, card.input, card.classes, right=2, wrong=4)
    assert [each.answer for each in made] == [*right[:2], *others[1:5]]


def test_the_calibration_drawing_shows_what_the_error_counts(tmp_path):
    """The distances of the dots from the diagonal, weighed by their share, are the expected calibration error."""
    card = material.card()
    answers = material.answers(tmp_path, card)
    truth = np.array([card.classes.index(a.label) for a in answers])
    for raw in (False, True):
        sure = np.array([a.probability_raw if raw else a.probability for a in answers])
        said = np.array([card.classes.index(a.said) for a in answers])
        probabilities = np.zeros((len(answers), 2))
        probabilities[np.arange(len(answers)), said] = sure
        probabilities[np.arange(len(answers)), 1 - said] = 1 - sure
        bins = page.bins(answers, raw=raw)
        drawn = sum(each.share * abs(each.sure - each.right) for each in bins)
        assert drawn == pytest.approx(statistics.calibration_error(probabilities, truth))
        assert sum(each.share for each in bins) == pytest.approx(1)


@pytest.mark.parametrize(("classes", "each"), [(2, 400), pytest.param(40, 30, marks=pytest.mark.slow)])
def test_the_page_stays_small(tmp_path, classes, each):
    """Many pictures, large and noisy, of few classes or many, make a page below 3 MB; the mistakes come first."""
    names = tuple(f"class {n}" for n in range(classes))
    big = [material.picture(tmp_path / f"big{n}.jpg", n, (400, 300)) for n in range(20)]
    confusion = np.full((classes, classes), 1) + np.diag([each] * classes)
    card = material.card(names, tuple(tuple(int(n) for n in row) for row in confusion))
    answers = []
    for row, label in enumerate(names):
        for column, said in enumerate(names):
            for copy in range(confusion[row, column]):
                path = tmp_path / f"{row}-{column}-{copy}.jpg"
                os.link(big[(row + column + copy) % len(big)], path)
                answers.append(
                    ShownPrediction(
                        path=path,
                        file=path.name,
                        label=label,
                        said=said,
                        probability=0.9,
                        probability_raw=0.9,
                        probabilities={},
                    )
                )
    text = render(ReportContents(card, HISTORY, tuple(answers), look=None))
    assert len(text.encode()) < 3_000_000
    seen = read(text)
    mistakes = text[text.index('<section id="mistakes">') : text.index('<section id="calibration">')]
    wrong = classes * (classes - 1)
    assert mistakes.count("<use ") == min(wrong, page.WORST) + page.UNSURE
    assert seen.tags["image"] > 60


@pytest.mark.data
def test_a_report_of_real_pictures_is_small_and_whole(tmp_path, real_pictures):
    """A real, small training on real vegetables gives a page below 3 MB with their pictures and their maps."""
    examples = []
    for label in ("brokkoli", "blumenkohl"):
        for at, path in enumerate(sorted((real_pictures / "vegetables" / label).iterdir())[:100]):
            split = Split.TRAIN if at < 50 else Split.VALID if at < 65 else Split.TEST
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            examples.append(Example(sha256=sha256, path=path, label=label, split=split, group=sha256))
    training.train(examples, ("brokkoli", "blumenkohl"), Colour(), {}, folder=tmp_path / "run")
    text = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert 200_000 < len(text) < 3_000_000
    seen = read(text)
    assert "Where it looks" in seen.words()
    assert f"of {70} pictures that the model had never seen were recognised" in seen.words()
    assert str(real_pictures) not in text


def test_a_drawn_training_gives_a_whole_page(tmp_path):
    """From the trainer's log to the page: curves of both sides, and the model of the run is the one asked for maps."""
    examples = coloured(tmp_path / "images", per_class=60)
    training.train(examples, ("red", "green"), Colour(), {}, folder=tmp_path / "run")
    seen = read((tmp_path / "run" / "report.html").read_text("utf-8"))
    assert seen.tags["polyline"] >= 3
    assert "Where it looks" in seen.words()
    assert "mean-colour, trained from random weights with colour" in seen.words()


def test_the_comparison_says_everything():
    """All runs with their letters, figures and costs, the note, and for each pair whether its difference is real."""
    seen = read(compare_page(material.comparison()))
    for expected in (
        "3 runs compared",
        "On the same 40 pictures",
        "90.0 %",
        "85.0 % – 95.0 %",
        "0.4 ms",
        "320 s",
        "may be chance",
        "+10.0 percentage points",
        "1 only B. Chance alone may well give this (p = 0.20)",
        "1 only C. Chance alone hardly gives this (p = 0.001)",
    ):
        assert expected in seen.words(), expected
    assert "3 Läufe im Vergleich" in seen.words("de")
    assert seen.words().count("random weights") == 2
    assert "Is the difference real?" not in read(compare_page(material.comparison(count=1))).words()


def test_the_rounds_of_a_review_are_drawn():
    """A letter for each run at the verdicts given by then, joined where trainer and net are the same; else nothing."""
    seen = read(compare_page(material.comparison()))
    assert "Round after round" in seen.words()
    assert "Runde um Runde" in seen.words("de")
    for text, language in (("1,000", "en"), ("1.000", "de")):
        assert text in seen.words(language)
    without = material.comparison().model_copy(update={"rounds": ()})
    assert "Round after round" not in read(compare_page(without)).words()


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0, 0], [0, 1]),
        ([0, 3], [0, 1, 2, 3]),
        ([0, 100], [0, 20, 40, 60, 80, 100]),
        ([5000, 5200], [5000, 5050, 5100, 5150, 5200]),
        ([0, 2400], [0, 500, 1000, 1500, 2000, 2500]),
    ],
)
def test_the_ticks_of_rounds_are_round(values, ticks):
    """Whole, round and few, from 0 unless that leaves half of the room empty."""
    assert charts._whole_ticks(values) == ticks


def test_thirty_runs_have_thirty_letters():
    """After Z comes A2; no letter stands for two runs."""
    seen = read(compare_page(material.comparison(count=4).model_copy(update={"runs": _thirty()})))
    assert "A2" in seen.words()


def _thirty():
    first = material.comparison(count=1).runs[0]
    return tuple(first.model_copy(update={"run": f"run {n}"}) for n in range(30)) + tuple(
        run for run in material.comparison(count=4).runs
    )


def _places(svg):
    """The size of a drawing, and all its points."""
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    points = re.findall(r'c?x="([\d.-]+)" c?y="([\d.-]+)"', svg)
    points += [
        (a, b)
        for a, b, _, _ in re.findall(r'x1="([\d.-]+)" x2="[\d.-]+" y1="([\d.-]+)" y2="([\d.-]+)"()', svg)
    ]
    points += [
        tuple(pair.split(",")) for line in re.findall(r'points="([^"]*)"', svg) for pair in line.split()
    ]
    return width, height, [(float(x), float(y)) for x, y in points]


@pytest.mark.parametrize(
    "svg",
    [
        *(
            charts.lines({"a": values}, named_by="a", rates=rates)
            for values in ([0.5], [1.0, 1.0], [0.9, 0.01, 0.3], [0.0, 0.0, 1.0], [], [0.2, float("nan")])
            for rates in (False, True)
        ),
        charts.lines({"a": [9.0, 0.01, 3.0] * 40}, named_by="a"),
        charts.interval(1.0, 0.9, 1.0, named_by="a"),
        *(
            charts.forest([charts.Bar(name="x" * 200, value=v, low=low, high=1.0)], named_by="a")
            for v, low in ((1.0, 1.0), (0.0, 0.0), (0.97, 0.9))
        ),
        charts.reliability([charts.ReliabilityBin(sure=1.0, right=0.0, share=1.0)], named_by="a"),
        charts.scatter(
            [
                charts.Spot(
                    letter="A", milliseconds=ms, bar=charts.Bar(name="a", value=0.9, low=0.2, high=1.0)
                )
                for ms in (0.02, 1.0, 900.0)
            ],
            named_by="a",
        ),
        *(
            charts.rounds(
                [
                    charts.Round(
                        letter="A",
                        verdicts=n,
                        series=f"{n % 2}",
                        bar=charts.Bar(name="a", value=0.9, low=0.2, high=1.0),
                    )
                    for n in verdicts
                ],
                named_by="a",
            )
            for verdicts in ([0], [0, 0], [0, 1], [7] * 30, [0, 123_456], [5000, 5001, 5001, 5200], [1, 2, 3])
        ),
        charts.finder([1e-7, 1e-3, 1.0], [0.7, 0.2, float("inf")], suggested=1e-3, used=5e-2, named_by="a"),
        charts.finder([1e-3], [0.7], suggested=1e-3, used=1e-3, named_by="a"),
    ],
)
def test_drawings_stay_inside_their_frame(svg):
    """Every point lies in the drawing and is a number, also for one value, equal ones, and none that count."""
    width, height, points = _places(svg)
    assert points
    assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_finder_without_losses_is_not_drawn():
    """No curve is made up where every loss was infinite."""
    assert charts.finder([1.0], [float("nan")], suggested=1, used=1, named_by="a") == ""


def test_numbers_in_two_languages():
    """Commas and points, thousands, signs, nouns; what reads alike stands once; braces in a name stay braces."""
    assert (percent(0.975).text(), percent(0.975).text("de"), percent(None).text()) == (
        "97.5 %",
        "97,5 %",
        "–",
    )
    assert (
        number(0.25).text("de"),
        points(0.032).text(),
        points(-0.0001).text(),
        points(-0.02).text("de"),
    ) == (
        "0,25",
        "+3.2",
        "0.0",
        "−2,0",
    )
    assert many(1, "{count} picture", "{count} pictures").text("de") == "1 Bild"
    assert many(1200, "{count} picture", "{count} pictures").text() == "1,200 pictures"
    assert many(1200, "{count} picture", "{count} pictures").text("de") == "1.200 Bilder"
    assert many(1200, "{count} picture", "{count} pictures", context="after in").text("de") == "1.200 Bildern"
    assert say("{a}", a="{b}<i>").__html__() == "{b}&lt;i&gt;"
    assert say("class").__html__() == '<span lang="en">class</span><span lang="de">Klasse</span>'
    assert say("class").together() == "class · Klasse"
    noon = datetime(2026, 11, 30, 9, 5, tzinfo=UTC)
    assert (moment(noon).text(), moment(noon).text("de")) == (
        "2026-11-30 09:05 UTC",
        "30.11.2026, 09:05 Uhr UTC",
    )


@pytest.mark.parametrize(("accuracy", "told"), [(0.6, True), (0.94, False)])
def test_the_fifth_least_like_anything_learned_is_told(tmp_path, accuracy, told):
    """The report says what a model does on pictures least like learned ones, and warns where that is much less."""
    found = LeastAlike(
        extractor="x", pictures=8, accuracy=accuracy, interval=(0.3, 0.95), likeness=0.7, others=0.97
    )
    page = render(material.contents(tmp_path, card=material.card(least_alike=found)))
    assert "least like anything learned from (8)" in page
    assert ("split --by features" in page) == told
