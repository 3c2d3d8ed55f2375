"""The base of all records."""

from __future__ import annotations

import functools
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, SerializationInfo, SerializerFunctionWrapHandler, model_serializer


class Record(BaseModel):
    """Base of all records: frozen, and no field that is not named.

    Only a file that outlives a version is read with `extra="allow"` (`byod.schema.file_formats`): then the fields of a
    newer byod stay in the record, at any depth, and are written again with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # no return type: in JSON schemas it would take the place of the fields
    @model_serializer(mode="wrap")
    def _with_unknown(  # type: ignore[no-untyped-def]
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ):
        values: dict[str, Any] = handler(self)
        unknown = self.__pydantic_extra__
        if not unknown or info.include is not None:
            return values
        left = {name: value for name, value in unknown.items() if name not in (info.exclude or ())}
        return values | left

    @classmethod
    def unchecked(cls, values: dict[str, Any]) -> Self:
        """A record of values that were checked before, each of its fields among them.

        Several times as fast as pydantic's own `model_construct`, which looks for defaults: a snapshot has as many
        records as the dataset has pictures.
        """
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", values)
        # one set for all records of a kind: of each its own would be half of what it takes in memory
        object.__setattr__(made, "__pydantic_fields_set__", _fields(cls))
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made


@functools.cache
def _fields(kind: type[Record]) -> set[str]:
    return set(kind.model_fields)
