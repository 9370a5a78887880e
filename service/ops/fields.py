"""What a request carries: types as strict as the OpenAPI document says, and no stricter."""

from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints


def _number(given: Any) -> Any:
    # To JSON Schema 2.0 is an integer, "2" and true are none; pydantic takes all of them, or in its strict mode none.
    if isinstance(given, bool | str | bytes):
        raise ValueError("not a number")  # pydantic answers 422 for this error, and no TypeError
    return given


NUMBER = BeforeValidator(_number)
"""For a whole number in a JSON body: ``Annotated[int, Field(ge=1), NUMBER]``."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""A text that PostgreSQL can keep: without the character of code 0."""
