"""The API in words that programs read (https://spec.openapis.org/oas/v3.1.0), and a page of them for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.json_schema import models_json_schema

from byod.report import html
from byod.report.i18n import Phrase, say, verbatim
from byod.schema.records import Record
from byod.schema.serving import About, Truth
from byod.schema.version import VERSION
from byod.web.schemas import Fault, Kept

TEMPLATES = Path(__file__).parent / "templates"
_FAULTS = {
    "400": say("The form, or what it says, is not as it must be."),
    "403": say("A page of another site asks."),
    "408": say("The picture did not arrive in time."),
    "413": say("Too many bytes or pixels."),
    "415": say("No picture, or one of a type that is not taken; told by its content."),
    "421": say("The server does not go by the name it was called by."),
    "422": say("The picture is damaged."),
    "429": say(
        "Too much of yours is waiting; the header Retry-After says in how many seconds to come again."
    ),
    "503": say("Too much is waiting; the header Retry-After says in how many seconds to come again."),
}


def document(about: About, said: type[Record], language: str = "en") -> dict[str, Any]:
    """The API of a server with this model, as OpenAPI 3.1; `said` is what it answers with.

    What people read in it is in a `language`; the names, and all that programs read, are not.
    """
    models: list[type[Record]] = [About, said, Kept, Fault, Truth]
    _, schemas = models_json_schema(
        [(model, "validation" if model is Truth else "serialization") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, Any] = {
        "/api/predict": {"post": _predict(said, about.look, about.threshold)},
        "/api/picture": {"post": _picture()},
        "/api/model": {"get": _model()},
    }
    if about.reports:
        paths["/api/report"] = {"post": _report()}
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": f"byod: {about.run}",
            "version": VERSION,
            "description": say(
                "Pictures in, answers out. Nothing that is sent is written to disk, but for reports."
            ),
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }
    told: dict[str, Any] = _told(described, language)
    return told


def _told(value: Any, language: str) -> Any:
    """The same, with every phrase as a text in one language."""
    if isinstance(value, Phrase):
        return value.text(language)
    if isinstance(value, dict):
        return {name: _told(inner, language) for name, inner in value.items()}
    return [_told(inner, language) for inner in value] if isinstance(value, list) else value


def page(about: About, said: type[Record], language: str) -> str:
    """The same as a page of HTML without script, in one language."""
    described = document(about, said, language)
    calls = [
        (method.upper(), path, call)
        for path, methods in described["paths"].items()
        for method, call in methods.items()
    ]
    schemas = {
        name: (record_words(schema), {key: value for key, value in schema.items() if key != "description"})
        for name, schema in described["components"]["schemas"].items()
    }
    content = {"document": described, "calls": calls, "schemas": schemas, "code": language}
    return html.page("api.html", content, folder=TEMPLATES, language=language)


def record_words(schema: dict[str, Any]) -> Phrase:
    """Say what a record is, as its docstring does: a text for people like any other."""
    description = " ".join(schema.get("description", "").split())
    return say(description, context="record of the API") if description else verbatim("")


def _predict(said: type[Record], look: bool, threshold: float | None) -> dict[str, Any]:
    call: dict[str, Any] = {
        "operationId": "predict",
        "summary": say("What the model says of a picture."),
        "requestBody": _body({"image": _BINARY}, ["image"]),
        "responses": {"200": _ok(said, say("What byod predict --json says of the picture, and more."))}
        | _faults(),
    }
    call["parameters"] = []
    if threshold is not None:
        told = say("The least confidence of what is told; by default the model's own threshold.")
        schema = {"type": "number", "minimum": 0, "maximum": 1, "default": threshold}
        call["parameters"] += [{"name": "threshold", "in": "query", "schema": schema, "description": told}]
    if look:
        told = say(
            "1: also say what the model looked at. It is asked fifty times for it, which takes as much longer."
        )
        schema = {"type": "string", "enum": ["0", "1"], "default": "0"}
        call["parameters"] += [{"name": "look", "in": "query", "schema": schema, "description": told}]
    return call


def _picture() -> dict[str, Any]:
    kept = {"description": say("A JPEG."), "content": {"image/jpeg": {"schema": _BINARY}}}
    return {
        "operationId": "picture",
        "summary": say(
            "The picture upright, in sRGB, without any metadata: for browsers that cannot draw the file."
        ),
        "requestBody": _body({"image": _BINARY}, ["image"]),
        "responses": {"200": kept} | _faults(),
    }


def _report() -> dict[str, Any]:
    fields = {"image": _BINARY, "truth": {"$ref": "#/components/schemas/Truth"}}
    return {
        "operationId": "report",
        "summary": say("Keep a picture, with what it really shows, for the next training round."),
        "requestBody": _body(fields, ["image", "truth"], raw=False),
        "responses": {
            "201": _ok(Kept, say("It is kept.")),
            "409": _ok(
                Fault, say("It cannot be kept: too many wait, or the size is that of another picture.")
            ),
        }
        | _faults(),
    }


def _model() -> dict[str, Any]:
    return {
        "operationId": "model",
        "summary": say("What the model is, and what may be sent."),
        "responses": {"200": _ok(About, say("The model.")), "421": _ok(Fault, _FAULTS["421"])},
    }


_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}


def _body(fields: dict[str, Any], required: list[str], *, raw: bool = True) -> dict[str, Any]:
    form = {"type": "object", "properties": fields, "required": required}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if raw:
        content |= {"image/*": {"schema": _BINARY}, "application/octet-stream": {"schema": _BINARY}}
    return {"required": True, "content": content}


def _ok(record: type[Record], description: Phrase) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{record.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _faults() -> dict[str, Any]:
    return {status: _ok(Fault, description) for status, description in _FAULTS.items()}
