"""The kinds of frames that a function may take, told by an annotation's module and name, so that nothing is imported."""

import ast
from collections.abc import Mapping

DEFAULT_FRAME = "pandas"
FRAMES = {
    "pandas.DataFrame": "pandas",
    "polars.DataFrame": "polars",
    "polars.LazyFrame": "polars-lazy",
    "pyarrow.Table": "arrow",
    "pyarrow.RecordBatchReader": "arrow-batches",
    "duckdb.DuckDBPyRelation": "duckdb",
    "narwhals.DataFrame": "narwhals",
    "narwhals.LazyFrame": "narwhals-lazy",
    "narwhals.typing.FrameT": "narwhals",
    "narwhals.typing.DataFrameT": "narwhals",
}
PACKAGES = {
    "pandas": "pandas", "polars": "polars", "polars-lazy": "polars", "arrow": "pyarrow", "arrow-batches": "pyarrow",
    "duckdb": "duckdb", "narwhals": "narwhals", "narwhals-lazy": "narwhals",
}  # fmt: skip
"""The package that each kind needs; those beside sqlflow's own are extras of the same name."""
_USUAL = {"pd": "pandas", "pl": "polars", "pa": "pyarrow", "nw": "narwhals"}


def frame_kind(annotation: ast.expr, full_names: Mapping[str, str]) -> str | None:
    """Return the kind of frame that an annotation names; None for anything else.

    `full_names` are what the file's names stand for. A bare name such as `pd` counts as what it usually means where
    the file imports it under `if TYPE_CHECKING` or not at all.
    """
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return frame_kind(ast.parse(annotation.value, mode="eval").body, full_names)
        except SyntaxError:
            return None
    if isinstance(annotation, ast.Subscript):  # as `nw.DataFrame[Any]`
        return frame_kind(annotation.value, full_names)
    return FRAMES.get(full_name(annotation, full_names))


def full_name(value: ast.expr, full_names: Mapping[str, str]) -> str:
    """Return the dotted name that an expression stands for, such as `pandas.read_csv`; empty for what is none."""
    parts: list[str] = []
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name):
        return ""
    first = full_names.get(value.id) or _USUAL.get(value.id, value.id)
    return ".".join([first, *reversed(parts)])
