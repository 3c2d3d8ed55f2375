"""A labelling page of Label Studio as a person uses it: what stands on it, its picture, clicks and keys."""

import io
import time
from collections.abc import Callable
from typing import Any

import label_studio as studio
import numpy as np
from headless import click, until
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from byod.labeling import local_server

_INVISIBLE = "\u2060"
_DONE = "No More Tasks Left"
_PICTURE = "[...Htx.annotationStore.selected.objects].find(o => o.type === 'image')"


class Page:
    """One person's browser, logged in.

    Its canvas is Konva's (`Konva.stages`), its store Label Studio's (`Htx`): both are global names of 1.23.
    """

    def __init__(self, browser: Any, running: local_server.Running) -> None:
        self.browser, self.url = browser, running.url

    def open(self, project: int, task: int | None = None) -> None:
        """The stream of a project's questions, or one task of it by its number; until its picture is there."""
        which = "labeling=1" if task is None else f"task={task}"
        self.browser.get(f"{self.url}/projects/{project}/data?{which}")
        self._until_drawn()

    def wait(self, what: Any) -> Any:
        return until(self.browser, what)

    def asks(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    @property
    def text(self) -> str:
        """All that can be read."""
        return str(self.asks("return document.body.innerText")).replace(_INVISIBLE, "")

    @property
    def sha256(self) -> str:
        """The picture the page is about."""
        script = "return window.Htx && Htx.task ? JSON.parse(Htx.task.data || '{}').byod_id : ''"
        return str(self.asks(script) or "")

    def choices(self) -> list[str]:
        """The answers in view, as they are written, without their hotkeys."""
        return [text.partition("[")[0] for text in self.labels()]

    def labels(self) -> list[str]:
        """The answers in view, with their hotkeys."""
        script = "return [...document.querySelectorAll('label')].filter(e => e.checkVisibility()).map(e => e.innerText)"
        found = self.asks(script)
        return [str(text).replace(_INVISIBLE, "") for text in found if str(text).strip()]

    def chosen(self) -> list[str]:
        """The answers that are ticked."""
        script = (
            "return [...document.querySelectorAll('label')]"
            ".filter(e => e.querySelector('input:checked')).map(e => e.innerText)"
        )
        return [str(text).replace(_INVISIBLE, "").partition("[")[0] for text in self.asks(script) if text]

    def click(self, label: str) -> None:
        """Click an answer by what is written there."""
        assert self.choices().count(label) == 1, (label, self.choices())
        self.clicked(lambda: next(e for e in self._labels() if self._reads(e) == label))
        self.wait(lambda: self.chosen() == [label])

    def clicked(self, find: Callable[[], Any]) -> None:
        """Click an element as soon as nothing lies over it: a notice that fades, a dialog that comes in."""
        click(self.browser, find)

    def _labels(self) -> list[Any]:
        return list(self.browser.find_elements(By.CSS_SELECTOR, "label"))

    def _reads(self, element: Any) -> str:
        # not element.text: that trims and folds blanks
        text = self.asks("return arguments[0].innerText", element)
        return str(text).replace(_INVISIBLE, "").partition("[")[0]

    def another(self) -> None:
        """Begin an answer of one's own, where somebody has answered already."""
        create = "button[aria-label='Create an annotation']"
        self.clicked(lambda: self.browser.find_element(By.CSS_SELECTOR, create))
        self.wait(lambda: self.asks("return !Htx.annotationStore.selected.pk"))
        self._until_drawn()

    def agree(self, words: str) -> None:
        """Read what a dialog says, and close it; while it comes in it may not heed the first click."""
        dialog = ".ant-modal-confirm"
        self.wait(lambda: words in self.asks(f"return document.querySelector('{dialog}')?.textContent ?? ''"))

        def closed() -> bool:
            for button in self.browser.find_elements(By.CSS_SELECTOR, f"{dialog} button"):
                button.click()
            return not self.browser.find_elements(By.CSS_SELECTOR, dialog)

        self.wait(closed)

    def key(self, key: str) -> None:
        """Press a key that Label Studio listens to."""
        ActionChains(self.browser).send_keys(key).perform()

    def press(self, button: str) -> None:
        """Press Submit, Update or Skip with the mouse, and wait for what follows."""
        before = self.sha256
        self.clicked(lambda: self.browser.find_element(By.XPATH, f"//button[normalize-space()='{button}']"))
        self._until_next(before)

    def submit_by_keys(self) -> None:
        """Ctrl+Enter, and wait for what follows."""
        before = self.sha256
        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()
        self._until_next(before)

    def _until_next(self, before: str) -> None:
        """In the stream another picture comes, or none; a single task stays, and can be updated then."""

        def moved_on() -> bool:
            return self.sha256 not in (before, "") or _DONE in self.text or "Update" in self.text

        self.wait(moved_on)
        if self.sha256 != before and _DONE not in self.text:
            self._until_drawn()

    def _until_drawn(self) -> None:
        script = (
            "return !!(window.Konva && Konva.stages.length && Htx.annotationStore.selected"
            " && [...document.images].some(i => i.src.startsWith('blob:') && i.naturalWidth > 0)"
            f" && {_PICTURE}.stageWidth > 1 && Konva.stages[0].find('Image').length)"
        )
        self.wait(lambda: self.asks(script))
        self.wait(self._still)

    def _still(self) -> bool:
        """Whether nothing moves any more: the page finds its sizes in several steps."""
        before = self.place(), self.chosen()
        time.sleep(0.4)
        return before[0][2] > 0 and before == (self.place(), self.chosen())

    def is_whole(self) -> bool:
        """Whether the picture lies within its canvas: no edge of it is cut off."""
        left, top, wide, tall = self.place()
        script = "const r = Konva.stages[0].container().getBoundingClientRect(); return [r.x, r.y, r.right, r.bottom]"
        x, y, right, bottom = self.asks(script)
        return bool(x <= left + 1 and y <= top + 1 and left + wide <= right + 1 and top + tall <= bottom + 1)

    def picture_size(self) -> list[int]:
        """Width and height of the picture that the page loaded, in pixels of its own."""
        script = (
            "const i = [...document.images].find(i => i.src.startsWith('blob:'));"
            "return [i.naturalWidth, i.naturalHeight]"
        )
        return [int(side) for side in self.asks(script)]

    def place(self) -> tuple[float, float, float, float]:
        """Where the picture stands in the window: left, top, width, height in screen pixels."""
        script = (
            "const s = window.Konva && Konva.stages[0], i = s && s.find('Image')[0]; if (!i) return [0, 0, 0, 0];"
            "const r = s.container().getBoundingClientRect(), p = i.getClientRect();"
            "return [r.x + p.x, r.y + p.y, p.width, p.height]"
        )
        x, y, width, height = map(float, self.asks(script))
        return x, y, width, height

    def photographed(self) -> Image.Image:
        """The window as it looks."""
        return Image.open(io.BytesIO(self.browser.get_screenshot_as_png())).convert("RGB")

    def likeness(self, picture: Image.Image) -> float:
        """How far what is on the screen is from a picture: the mean difference, 0..255."""
        x, y, width, height = self.place()
        screen = self.photographed()
        seen = screen.crop((round(x), round(y), round(x + width), min(round(y + height), screen.height)))
        small = (24, 18)
        one, other = (np.asarray(each.convert("RGB").resize(small), float) for each in (seen, picture))
        return float(np.abs(one - other).mean())

    def points(self) -> dict[str, tuple[float, float]]:
        """The points as they are drawn, by name, in screen pixels from the picture's corner."""
        script = (
            "return Konva.stages[0].find('Circle')"
            ".map(c => [c.name().split('#')[0], c.getAbsolutePosition()])"
        )
        return {name.split(".")[-1]: (spot["x"], spot["y"]) for name, spot in self.asks(script)}

    def reported(self) -> dict[str, tuple[float, float]]:
        """The points as the page would save them, by name, in percent of the picture."""
        saved = self.asks("return Htx.annotationStore.selected.serializeAnnotation()")
        return {
            item["value"]["keypointlabels"][0]: (item["value"]["x"], item["value"]["y"])
            for item in saved
            if item["type"] == "keypointlabels"
        }

    def drag(self, point: str, right: int, down: int) -> None:
        """Drag a point with the mouse, by screen pixels."""
        (left, top, _, _), (x, y) = self.place(), self.points()[point]
        mouse = self._at(left + x, top + y).click_and_hold()
        for part in range(1, 5):  # as a hand does: not in one jump
            mouse.move_by_offset(
                right * part // 4 - right * (part - 1) // 4, down * part // 4 - down * (part - 1) // 4
            )
        mouse.release().perform()

    def add(self, hotkey: str, x: float, y: float) -> None:
        """Choose a point's name by its hotkey, and click into the picture, in screen pixels from its corner."""
        number = len(self.reported())
        left, top, _, _ = self.place()
        self.key(hotkey)
        self._at(left + x, top + y).click().perform()
        self.wait(lambda: len(self.reported()) == number + 1)

    def _at(self, x: float, y: float) -> ActionChains:
        mouse = ActionChains(self.browser, duration=30)
        mouse.w3c_actions.pointer_action.move_to_location(round(x), round(y))
        return mouse


def signed_up(browser: Any, running: local_server.Running, email: str, password: str) -> None:
    """Make a second account with the link that a server gives to invite people."""
    told = studio.asked(running, "/api/invite")
    browser.get(running.url + told["invite_url"])
    studio.filled_in(browser, email, password)
    until(browser, lambda: "/user/signup" not in browser.current_url)
