"""The report of a run for points and the page that compares such runs: what they say, in which bounds."""

import re

import points_material as material
import pytest
from report_material import HOSTILE

from byod.schema.model_card import Measured
from byod.tasks.keypoints import learning
from byod.tasks.keypoints.report.compare_page import page as compare_points_page
from byod.tasks.keypoints.report.page import render as render_keypoints


@pytest.fixture
def page(tmp_path):
    return render_keypoints(material.contents(tmp_path))


def texts(page, language):
    """What is said in one language, tags taken out."""
    found = re.findall(rf'<span lang="{language}">(.*?)</span>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", text) for text in found]


def test_everything_is_said_in_both_languages(page):
    """Each English phrase has its German one, and neither has a hole."""
    english, german = texts(page, "en"), texts(page, "de")
    assert len(english) == len(german) > 50
    assert not [text for text in english + german if "{" in text or not text.strip()]


def test_the_headline_is_the_whole_pipeline(page):
    """The number on top counts heads of whole pictures; misses fail."""
    assert '<p class="number">80.0 %</p>' in re.sub(
        r"<span lang=.de.>.*?</span>|<span lang=.en.>|</span>", "", page
    )
    assert any("40 objects in whole pictures" in text for text in texts(page, "en"))
    assert any("40 Objekte in ganzen Bildern" in text for text in texts(page, "de"))


def test_both_tables_and_the_baseline_stand_side_by_side(page):
    """True crops, whole pictures, those with one head, and the mean face are rows; an infinite median is a dash."""
    rows = re.findall(
        r'<tr><th scope="row">(.*?)</tr>', page.split('class="results"')[1].split("</table>")[0]
    )
    assert len(rows) == 4
    for row, name in zip(rows, ("true crops", "whole pictures", "one object", "mean places"), strict=True):
        assert name in row
    assert "<b>–</b>" in rows[1]
    assert "3.4 %" in rows[0]


def test_each_point_has_a_row(page):
    """Every point of the head is measured on its own."""
    table = page.split('id="points"')[1].split("</table>")[0]
    for name in material.NAMES:
        assert f'<th scope="row">{name}</th>' in table


def test_worst_come_first_and_marks_are_drawn(page):
    """The worst head leads; each shown head has a ring for every true point and a cross for every found one."""
    worst = page.split('id="worst"')[1].split("<h3>")[0]
    errors = [float(each) for each in re.findall(r'class="(?:yes|no)"><span lang="en">([\d.]+) %', worst)]
    assert errors == sorted(errors, reverse=True)
    assert len(errors) == 8
    assert worst.count('class="ring"') == worst.count('class="said"') == 8 * len(material.NAMES)


def test_missed_heads_extra_finds_and_doubts_are_shown(page):
    """Boxes point out what was missed and what was found where nothing is; doubts say why."""
    assert page.count('<rect class="missed"') == 1
    assert page.count('<rect class="extra"') == 1
    assert any("left and right look exchanged" in text for text in texts(page, "en"))
    assert any("liegt um 60 % daneben" in text for text in texts(page, "de"))


def test_cross_validation_says_so(tmp_path):
    """The folds' medians are told, a fold without a finite one as a dash."""
    plain = material.card()
    metrics = plain.metrics.model_copy(
        update={"measured_on": Measured.CROSS_VALIDATION, "folds": (0.031, None, 0.04)}
    )
    told = render_keypoints(material.contents(tmp_path, card=material.card(metrics=metrics)))
    assert any("3.1 % · – · 4.0 %" in text for text in texts(told, "en"))


@pytest.mark.parametrize(
    ("own", "mean", "words"),
    [
        ((0.03, (0.02, 0.04)), (0.13, (0.1, 0.16)), "clearly better"),
        ((0.09, (0.02, 0.12)), (0.13, (0.1, 0.16)), "intervals overlap"),
        ((0.2, (0.1, 0.3)), (0.13, (0.1, 0.16)), "nothing useful"),
        ((None, (0.1, None)), (0.13, (0.1, 0.16)), "nothing useful"),
    ],
)
def test_the_bar_is_the_mean_face(tmp_path, own, mean, words):
    """Whether the net beats what the crop alone tells is said in words."""
    plain = material.card()
    crops = material.score(median=own[0], interval=own[1])
    card = material.card(
        metrics=plain.metrics.model_copy(update={"crops": crops}),
        baseline=material.score(median=mean[0], interval=mean[1]),
    )
    told = render_keypoints(material.contents(tmp_path, card=card))
    assert any(words in text for text in texts(told, "en"))


@pytest.mark.parametrize(
    ("empty", "deceived", "words", "line"),
    [
        (0, 0, "was not measured", "NOT measured"),
        (4, None, "was not measured", "NOT measured"),
        (40, 0, "In 0 of 40 pictures without an object", "in 0 of 40 pictures without an object"),
        (40, 30, "In 30 of 40 pictures without an object", "in 30 of 40 pictures"),
    ],
)
def test_false_finds_are_measured_or_it_is_said_that_they_are_not(tmp_path, empty, deceived, words, line):
    """Report and command say how often an object is found where none is, and loudly where nobody looked."""
    metrics = material.card().metrics.model_copy(update={"empty": empty, "deceived": deceived})
    told = render_keypoints(material.contents(tmp_path, card=material.card(metrics=metrics)))
    assert any(words in text for text in texts(told, "en"))
    assert line in learning.summary(metrics)


def test_strangers_text_stays_text(tmp_path):
    """What comes from elsewhere is escaped wherever it stands."""
    for text in (
        render_keypoints(material.contents(tmp_path, HOSTILE)),
        compare_points_page(material.comparison(HOSTILE)),
    ):
        assert "<script>document.title" not in text
        assert "<img src=http" not in text
        assert "&lt;script&gt;" in text


def test_nothing_comes_from_outside(page):
    """Pages refer to nothing but themselves."""
    for text in (page, compare_points_page(material.comparison())):
        assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
        assert "default-src &#39;none&#39;" in text


@pytest.mark.slow
def test_a_page_stays_small_whatever_the_number(tmp_path):
    """Hundreds of heads fit below 3 MB, the worst of them shown."""
    text = render_keypoints(material.contents(tmp_path, number=300))
    assert len(text.encode()) < 3_000_000
    assert text.count("<image ") <= 80


def test_a_picture_that_is_gone_is_said(tmp_path):
    """A head whose picture was moved away keeps its row and says why it is not shown."""
    told = material.contents(tmp_path)
    told.heads[-1].path.unlink()
    text = render_keypoints(told)
    assert any("cannot be shown" in each for each in texts(text, "en"))


def test_a_run_without_history_or_heads_is_told(tmp_path):
    """An evaluation has no curves; the page comes all the same."""
    text = render_keypoints(material.contents(tmp_path, histories={}, heads=(), pictures=(), issues=()))
    assert 'id="learning"' not in text
    assert any("None was found." in each for each in texts(text, "en"))


def test_the_comparison_names_the_best_and_the_pairs():
    """The run with the most glasses is marked, and differences are told of heads."""
    text = compare_points_page(material.comparison())
    assert re.search(r'class="n best"><span lang="en">90\.0 %', text)
    assert any("6 only A got right, 2 only B" in each and "40 objects" in each for each in texts(text, "en"))
    assert any("40 Objekten" in each for each in texts(text, "de"))
