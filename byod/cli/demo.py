"""The demo on the terminal: each step, and what came of it."""

from __future__ import annotations

from pathlib import Path

from byod.cli.output import print_result, print_table, put


def demo(folder: Path, pictures: Path | None, only: str | None, as_json: bool) -> None:
    """Collect, then train and predict unless only collecting is asked for; print what came of it."""
    from byod.api.progress_display import progress_display
    from byod.demo import walkthrough
    from byod.schema.config import Settings
    from byod.schema.errors import UsageError
    from byod.training import protocol

    if only not in (None, "collect"):
        raise UsageError(f"--only {only}: the demo can stop after: collect")
    with progress_display(True) as display:
        found = walkthrough.collect(folder, pictures, Settings.load(), say=display.say, watch=display.watch())
    if not as_json:
        rows = [(line.kind, line.planted, line.found, line.note) for line in found.lines]
        print_table("Planted, and found", ("what", "planted", "found", "how"), rows)
        put(f"Pictures: {found.dataset / 'images'}")
    learned = None
    if only is None:
        protocol.load("fastai")  # a missing trainer is said now, in one line
        with progress_display(True) as display:
            learned = walkthrough.train_model(found.dataset, say=display.say, log=display.epoch)
    if as_json:
        document = {"collected": found.model_dump(mode="json")}
        if learned is not None:
            document["learned"] = learned.model_dump(mode="json")
        print_result(document)
    elif learned is not None:
        rows_of = [
            (Path(one.path).name, truth, one.label, f"{one.probability:.1%}") for truth, one in learned.shown
        ]
        print_table(
            "Predicted, on pictures the net never saw",
            ("picture", "is", "said to be", "probability"),
            rows_of,
        )
        low, high = learned.card.metrics.interval
        put(
            f"Accuracy on {learned.card.metrics.pictures} unseen pictures: "
            f"{learned.card.metrics.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%})"
        )
        put(f"Report: {learned.run / 'report.html'}")
