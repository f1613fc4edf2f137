"""What a user may say of one column, as a frozen value."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

Text = Annotated[str, Meta(min_length=1)]
Raw = Annotated[Any, Meta(extra={"read": "raw"})]
"""A part of the file whose reading is left to the room that knows its form."""


class ColumnConfig(Struct, frozen=True, kw_only=True):
    """One column of a block. A plain text is the description."""

    SHORT: ClassVar[str] = "description"
    description: Annotated[str, Meta(description="What the column holds; kept as the column's comment.")] = ""
    type: Annotated[str, Meta(description="The column's type, as the engine writes it; enforced by `contract`.")] = ""
    assertions: Annotated[Raw, Meta(description="Assertions on this column alone.")] = field(
        default=None, name="assert"
    )
    made_from: Annotated[
        tuple[Text, ...],
        Meta(description="Functions: the columns that this one is computed from, such as `stg_flights.dep_delay`."),
    ] = ()
