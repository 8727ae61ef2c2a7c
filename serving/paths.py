"""Numbers in the paths of routes."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor

from serving.store import LARGEST

NUMBER = "number"  # in a route's path: {id:number}


class Number(Convertor[int]):
    """A number in a path. One too long for a column stands for the largest: nothing has either."""

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        """The number."""
        return int(value) if len(value) < len(str(LARGEST)) else LARGEST

    def to_string(self, value: int) -> str:
        """As it is written in a path."""
        return str(value)


register_url_convertor(NUMBER, Number())
