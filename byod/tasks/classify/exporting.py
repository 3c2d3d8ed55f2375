"""What goes out with a classifier's model file: a program that uses it, and on request the resize inside the graph."""

from __future__ import annotations

import hashlib
from pathlib import Path

from byod.images import resize
from byod.schema.errors import UsageError
from byod.schema.model_card import ModelCard, PixelRule, Resize
from byod.schema.model_graph import GraphInput
from byod.training import resize_graph
from byod.training.run_folder import model_file

SCRIPT = "predict.py"
_SCRIPT = Path(__file__).with_name("predict_script.txt")
_INSIDE = "    return np.asarray(image)"
_BANDS = """\
def resized(image, width, height):
    bands = [band.convert("F").resize((width, image.height), BILINEAR) for band in image.split()]
    bands = [np.asarray(band.resize((width, height), BILINEAR)) for band in bands]
    return np.stack(bands, axis=2)


"""
_WHOLE = {
    Resize.SQUISH: "    block = resized(image, WIDTH, HEIGHT)",
    Resize.CROP: """\
    wide = min(image.width, max(1, (2 * image.height * WIDTH + HEIGHT) // (2 * HEIGHT)))
    high = min(image.height, max(1, (2 * image.width * HEIGHT + WIDTH) // (2 * WIDTH)))
    left, top = (image.width - wide) // 2, (image.height - high) // 2
    block = resized(image.crop((left, top, left + wide, top + high)), WIDTH, HEIGHT)""",
    Resize.PAD: """\
    across = min(WIDTH, max(1, (2 * image.width * HEIGHT + image.height) // (2 * image.height)))
    down = min(HEIGHT, max(1, (2 * image.height * WIDTH + image.width) // (2 * image.width)))
    left, top = (WIDTH - across) // 2, (HEIGHT - down) // 2
    block = np.full((HEIGHT, WIDTH, 3), GREY)
    block[top : top + down, left : left + across] = resized(image, across, down)""".replace(
        "GREY", str(resize.GREY)
    ),
}
_REDUCED = {
    Resize.SQUISH: "    block = image.resize((WIDTH, HEIGHT), BILINEAR)",
    Resize.CROP: "    block = ImageOps.fit(image, (WIDTH, HEIGHT), BILINEAR)",
    Resize.PAD: "    block = ImageOps.pad(image, (WIDTH, HEIGHT), BILINEAR, color=(127, 127, 127))",
}
_PLANES = "    return np.asarray(block, np.float32).transpose(2, 0, 1) / np.float32(255)"


def beside(run: Path, card: ModelCard, *, with_resize: bool) -> dict[str, bytes]:
    """The files of an export that are not the run's own, by name: `predict.py`, and model and card with the resize.

    Raises:
        UsageError: no graph can say the rule by which this run's pictures become pixels.
        ModelError: the resize cannot be written into its model.
    """
    if not with_resize:
        return {SCRIPT: script(card, inside=False).encode()}
    if card.input.pixels is not PixelRule.WHOLE:
        raise UsageError(
            f"run {card.run} decodes large pictures reduced, as an older byod did, which no graph can do; train again, "
            "or export it without --with-resize"
        )
    made = resize_graph.with_resize(model_file(run / "model.onnx", card.model_sha256), card.input)
    told = GraphInput(
        name=resize_graph.PIXELS,
        type="uint8",
        shape=("N", "height", "width", 3),
        range=(0, 255),
        layout="NHWC",
    )
    changed = {"model_sha256": hashlib.sha256(made).hexdigest(), "graph_input": told}
    described = card.model_copy(update=changed).model_dump_json(indent=1)
    files = {"model.onnx": made, "model.json": described.encode()}
    return {**files, SCRIPT: script(card, inside=True).encode()}


def script(card: ModelCard, *, inside: bool) -> str:
    """The program, for a model file with the resize `inside` or without."""
    text = _SCRIPT.read_text(encoding="utf-8")
    if inside:
        return text.replace(_HERE, f"{_INSIDE}\n")
    rule = card.input
    whole = rule.pixels is PixelRule.WHOLE
    sides = f"    WIDTH, HEIGHT = {rule.width}, {rule.height}"
    body = "\n".join((sides, (_WHOLE if whole else _REDUCED)[rule.resize], _PLANES))
    return text.replace(_HERE, f"{body}\n").replace("def given(", f"{_BANDS if whole else ''}def given(")


_HERE = "    # pixels\n"
