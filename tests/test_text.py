"""Text that knows its places: what is replaced changes, and nothing else does."""

from hypothesis import given
from hypothesis import strategies as st
from support import block, project

from sqlflow.core.block import Query, TableUse
from sqlflow.core.names import TableName
from sqlflow.core.text import MappedText, Place, SourceFile
from sqlflow.plan.graph import Resolver
from sqlflow.read.engines import engine
from sqlflow.read.sql import infer
from sqlflow.run.compose import Binder

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=60)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, str]]]:
    """Return a text and edits that do not overlap."""
    text = draw(TEXTS)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    edits = [(cuts[i], cuts[i + 1], draw(st.text(max_size=5))) for i in range(0, len(cuts) - 1, 2)]
    return text, edits


@given(edited())
def test_replacing_leaves_the_rest_as_it_was(case: tuple[str, list[tuple[int, int, str]]]) -> None:
    text, edits = case
    expected, position = "", 0
    for start, end, new in edits:
        expected += text[position:start] + new
        position = end
    assert MappedText.whole(SourceFile("f.sql", text)).replaced(edits).text == expected + text[position:]


@given(edited())
def test_every_kept_character_knows_its_line_and_column(case: tuple[str, list[tuple[int, int, str]]]) -> None:
    text, edits = case
    source = SourceFile("f.sql", text)
    replaced = MappedText.whole(source).replaced(edits)
    kept = [piece for piece in replaced.pieces if piece.moves]
    assert all(piece.text == text[piece.offset : piece.offset + len(piece.text)] for piece in kept)
    offset = 0
    for piece in replaced.pieces:
        if piece.text and piece.moves:
            assert replaced.place(offset) == source.place(piece.offset)
        offset += len(piece.text)


GAPS = st.sampled_from([" ", "\n", "  ", "\t", " /* from fake */ ", " -- join fake\n", "/**/"])
NAMES = st.sampled_from(
    ["staging.a", "STAGING.A", '"staging"."a"', 'staging."A"', "b", '"b"', "B", "marts.c", "other.d", "e"]
)
ALIASES = st.sampled_from(["", " as x", " y", ' as "from z"'])
TAILS = st.sampled_from(
    ["", " where 'from staging.a' <> '' ", " where 1 in (select 1 from staging.a)", " limit 1", ";", "; -- from b"]
)


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a SELECT over tables written in many ways, and the tables as they stand in it, in order."""
    written = draw(
        st.lists(
            st.tuples(NAMES, ALIASES), min_size=1, max_size=3, unique_by=lambda pair: pair[0].lower().replace('"', "")
        )
    )
    sql = (
        draw(st.sampled_from(["select *", "SELECT 'from b' as t, 1 -- from b\n", "select $$from b$$ as q"]))
        + draw(GAPS)
        + "from"
    )
    for index, (name, alias) in enumerate(written):
        sql += ("," if index else "") + draw(GAPS) + name + alias
    tail = draw(TAILS)
    names = [name for name, _ in written] + (["staging.a"] if "in (select" in tail else [])
    return sql + tail, names


@given(statements())
def test_tables_are_found_where_they_are_written(case: tuple[str, list[str]]) -> None:
    sql, names = case
    found = infer(MappedText.plain(sql), engine("duckdb"), Place("f"))
    assert [sql[use.start : use.end] for use in found.tables] == names


@given(statements())
def test_binding_changes_names_and_nothing_else(case: tuple[str, list[str]]) -> None:
    sql, _ = case
    found = infer(MappedText.plain(sql), engine("duckdb"), Place("f"))
    query = Query(MappedText.whole(SourceFile("f.sql", sql)).slice(0, found.end), found.tables)
    blocks = project(block("staging.a"), block("staging.b"), block("marts.c"))
    relations = {name: TableName("_sqlflow", f"v_{name.name}") for name in blocks.blocks}
    bound = Binder(blocks, Resolver(blocks), relations, {}).bound(query, "staging")
    outside = [sql[start:end] for start, end in _between(found.tables, found.end)]
    assert [piece.text for piece in bound.pieces if piece.moves and piece.text] == [text for text in outside if text]
    assert all(
        f'"_sqlflow"."v_{letter}"' in bound.text
        for letter in "abc"
        if f".{letter}" in sql.lower().replace('"', "").split("where")[0]
    )


def _between(uses: tuple[TableUse, ...], end: int) -> list[tuple[int, int]]:
    """Return the stretches of text between the names that are blocks; a source's name is a part of them."""
    position = 0
    stretches: list[tuple[int, int]] = []
    for use in uses:
        if use.name.schema in ("", "staging", "marts") and use.name.name in "abc":
            stretches.append((position, use.start))
            position = use.end
    return [*stretches, (position, end)]
