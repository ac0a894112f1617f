"""Whether an answer is exactly what its schema says: nothing missing, nothing wrong, nothing more."""

from typing import Any, TypeVar

from pydantic import BaseModel

T = TypeVar("T", bound=BaseModel)


def conforms(model: type[T], body: Any) -> T:
    """``body`` read by ``model``."""
    read = model.model_validate(body)
    assert shape(body) == shape(read.model_dump(mode="json"))
    return read


def shape(value: Any) -> Any:
    """The names in ``value``, without their values."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return None
