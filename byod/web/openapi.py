"""The API in words that programs read (https://spec.openapis.org/oas/v3.1.0), and a page of them for people."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader
from pydantic.json_schema import models_json_schema

from byod.schema.records import Record
from byod.schema.serving import About, Truth
from byod.schema.version import VERSION
from byod.web.schemas import Fault, Kept

_FAULTS = {
    "400": "The form, or what it says, is not as it must be.",
    "403": "A page of another site asks.",
    "408": "The picture did not arrive in time.",
    "413": "Too many bytes or pixels.",
    "415": "No picture, or one of a type that is not taken; told by its content.",
    "421": "The server does not go by the name it was called by.",
    "422": "The picture is damaged.",
    "503": "Too much is waiting; the header Retry-After says in how many seconds to come again.",
}


def document(about: About, said: type[Record]) -> dict[str, Any]:
    """The API of a server with this model, as OpenAPI 3.1; `said` is what it answers with."""
    models: list[type[Record]] = [About, said, Kept, Fault, Truth]
    _, schemas = models_json_schema(
        [(model, "validation" if model is Truth else "serialization") for model in models],
        ref_template="#/components/schemas/{model}",
    )
    paths: dict[str, Any] = {
        "/api/predict": {"post": _predict(said, about.look)},
        "/api/picture": {"post": _picture()},
        "/api/model": {"get": _model()},
    }
    if about.reports:
        paths["/api/report"] = {"post": _report()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"byod: {about.run}",
            "version": VERSION,
            "description": "Pictures in, answers out. Nothing that is sent is written to disk, but for reports.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def page(described: dict[str, Any]) -> str:
    """The same as a page of HTML without script."""
    environment = Environment(loader=PackageLoader("byod.web"), autoescape=True)
    calls = [
        (method.upper(), path, call)
        for path, methods in described["paths"].items()
        for method, call in methods.items()
    ]
    return environment.get_template("api.html").render(
        document=described, calls=calls, schemas=described["components"]["schemas"]
    )


def _predict(said: type[Record], look: bool) -> dict[str, Any]:
    call: dict[str, Any] = {
        "operationId": "predict",
        "summary": "What the model says of a picture.",
        "requestBody": _body({"image": _BINARY}, ["image"]),
        "responses": {"200": _ok(said, "What byod predict --json says of the picture, and more.")}
        | _faults(),
    }
    if look:
        told = "1: also say what the model looked at. It is asked fifty times for it, which takes as much longer."
        schema = {"type": "string", "enum": ["0", "1"], "default": "0"}
        call["parameters"] = [{"name": "look", "in": "query", "schema": schema, "description": told}]
    return call


def _picture() -> dict[str, Any]:
    kept = {"description": "A JPEG.", "content": {"image/jpeg": {"schema": _BINARY}}}
    return {
        "operationId": "picture",
        "summary": "The picture upright, in sRGB, without any metadata: for browsers that cannot draw the file.",
        "requestBody": _body({"image": _BINARY}, ["image"]),
        "responses": {"200": kept} | _faults(),
    }


def _report() -> dict[str, Any]:
    fields = {"image": _BINARY, "truth": {"$ref": "#/components/schemas/Truth"}}
    return {
        "operationId": "report",
        "summary": "Keep a picture, with what it really shows, for the next training round.",
        "requestBody": _body(fields, ["image", "truth"], raw=False),
        "responses": {
            "201": _ok(Kept, "It is kept."),
            "409": _ok(Fault, "It cannot be kept: too many wait, or the size is that of another picture."),
        }
        | _faults(),
    }


def _model() -> dict[str, Any]:
    return {
        "operationId": "model",
        "summary": "What the model is, and what may be sent.",
        "responses": {"200": _ok(About, "The model."), "421": _ok(Fault, _FAULTS["421"])},
    }


_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}


def _body(fields: dict[str, Any], required: list[str], *, raw: bool = True) -> dict[str, Any]:
    form = {"type": "object", "properties": fields, "required": required}
    content: dict[str, Any] = {"multipart/form-data": {"schema": form}}
    if raw:
        content |= {"image/*": {"schema": _BINARY}, "application/octet-stream": {"schema": _BINARY}}
    return {"required": True, "content": content}


def _ok(record: type[Record], description: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{record.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _faults() -> dict[str, Any]:
    return {status: _ok(Fault, description) for status, description in _FAULTS.items()}
