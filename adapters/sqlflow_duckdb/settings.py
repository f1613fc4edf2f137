"""What a DuckDB target may say in `sqlflow.yml`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Threads = Annotated[int, Meta(ge=1, le=256)]


class DuckDBOptions(Struct, frozen=True, kw_only=True):
    """The keys of `options` of a block: DuckDB's tables have none."""


class DuckDBSettings(Struct, frozen=True, kw_only=True):
    """The keys of a target with `engine: duckdb`."""

    engine: Annotated[Literal["duckdb"], Meta(description="The engine's name.")]
    path: Annotated[
        str, Meta(description="The database file, relative to the project; `:memory:` keeps nothing.", min_length=1)
    ] = "warehouse.duckdb"
    schema: Annotated[str, Meta(description="The schema of blocks that lie right in `blocks/`.", min_length=1)] = "main"
    memory_limit: Annotated[str, Meta(description="How much memory DuckDB may use, as `4GB`.")] = ""
    temp_directory: Annotated[str, Meta(description="Where DuckDB spills what does not fit into memory.")] = ""
    publish_copy: Annotated[
        str, Meta(description="A file that gets a read-only copy of what is published, after each publish.")
    ] = ""
    threads: Annotated[Threads | None, Meta(description="How many threads DuckDB may use.")] = None
    sandbox: Annotated[
        bool, Meta(description="Whether SQL may read files of the project alone, and load no extensions.")
    ] = False
    settings: Annotated[
        dict[str, str | int | float | bool], Meta(description="Any other DuckDB settings, such as `TimeZone`.")
    ] = {}


class ScratchSettings(DuckDBSettings, frozen=True, kw_only=True):
    """Those of an empty database in memory that stands for a target."""
