"""What every engine must do, as tests: SQL in them is what all engines understand."""

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta

import pyarrow as pa
import pytest

from sqlflow.core.config import BlockConfig, IndexConfig
from sqlflow.core.engine import Connection, Relation, Session
from sqlflow.core.errors import StatementError
from sqlflow.core.names import TableName, quoted
from sqlflow.read.stamps import stamp
from sqlflow.testing.target import OpenTarget
from sqlflow.testing.values import CARRIED, EXACT, FROM_OTHERS

_MADE = TableName("conformance", "made")
_ARRIVED = TableName("conformance", "arrived")


class EngineSuite:
    """Subclass it and give the fixture `target`."""

    @pytest.fixture
    def connection(self, target: OpenTarget) -> Iterator[Connection]:
        connection = target.open()
        yield connection
        target.close()

    @pytest.fixture
    def session(self, connection: Connection) -> Iterator[Session]:
        session = connection.session()
        session.execute("create schema conformance")
        yield session
        session.close()

    def test_relations_are_told_with_their_kind_and_a_views_definition(
        self, connection: Connection, session: Session
    ) -> None:
        session.execute(f"create table {_MADE.sql} (id integer)")
        session.execute(f"create view conformance.shown as select * from {_MADE.sql}")
        table, view = sorted(connection.relations(["conformance"]), key=lambda relation: relation.name)
        assert table == Relation(_MADE, "table", "")
        assert (str(view.name), view.kind) == ("conformance.shown", "view")
        assert "made" in view.definition

    def test_a_table_is_told_with_its_comment(self, connection: Connection, session: Session) -> None:
        session.execute(f"create table {_MADE.sql} (id integer)")
        session.execute(f"comment on table {_MADE.sql} is 'it''s ours'")
        assert connection.relations(["conformance"]) == (Relation(_MADE, "table", comment="it's ours"),)

    def test_there_are_no_relations_in_no_schemas(self, connection: Connection) -> None:
        assert connection.relations([]) == ()
        assert connection.relations(["nowhere"]) == ()

    def test_rows_come_with_their_names_in_order(self, session: Session) -> None:
        found = session.rows("select 1 as one, 'a' as \"Two words\", null as nothing")
        assert (found.columns, found.rows) == (("one", "Two words", "nothing"), ((1, "a", None),))

    def test_rows_are_limited_and_what_follows_works(self, session: Session) -> None:
        sql = "select n from (values (1), (2), (3)) as v (n) order by n"
        assert session.rows(sql, 2).rows == ((1,), (2,))
        assert session.rows(sql, 10).rows == ((1,), (2,), (3,))
        assert session.rows(sql).rows == ((1,), (2,), (3,))

    def test_writing_tells_how_many_rows(self, session: Session) -> None:
        assert session.execute(f"create table {_MADE.sql} as select 1 as id") in (1, None)
        assert session.execute(f"insert into {_MADE.sql} values (2), (3)") in (2, None)
        assert session.rows(f"select count(*) from {_MADE.sql}").rows == ((3,),)

    def test_columns_are_told_without_running_the_query(self, session: Session, target: OpenTarget) -> None:
        found = session.columns(
            "select cast(1 as integer) as a, cast('x' as varchar) as \"B c\", cast(1 as integer) as a"
        )
        assert [column.name for column in found] == ["a", "B c", "a"]
        assert target.engine.type_name(found[0].type) == target.engine.type_name("integer")
        assert target.engine.type_name(found[1].type) == target.engine.type_name("varchar")

    def test_a_columns_name_may_hold_quotes_and_unicode(self, session: Session) -> None:
        name = 'a"b é 日'
        session.execute(f"create table {_MADE.sql} as select 1 as {quoted(name)}")
        assert [column.name for column in session.columns(f"select * from {_MADE.sql}")] == [name]

    def test_a_relations_name_may_hold_quotes(self, connection: Connection, session: Session) -> None:
        odd = TableName("conformance", 'a"b c')
        session.execute(f"create table {odd.sql} (id integer)")
        assert [relation.name for relation in connection.relations(["conformance"])] == [odd]

    @pytest.mark.parametrize(
        "prefix", ["select 1 as one,\n  ", "select 'é日👩' as text,\n  "], ids=["plain", "unicode"]
    )
    def test_an_error_tells_the_character_of_its_place(self, session: Session, prefix: str) -> None:
        sql = f"{prefix}missing_column from (select 1 as id) as t"
        for call in (session.execute, session.rows, session.columns):
            with pytest.raises(StatementError, match="missing_column") as caught:
                call(sql)
            assert caught.value.position == len(prefix)

    def test_a_label_moves_no_place(self, session: Session) -> None:
        session.label("project block */ run")
        with pytest.raises(StatementError) as caught:
            session.rows("select missing_column")
        assert caught.value.position == len("select ")

    def test_a_missing_table_is_told_by_its_name(self, session: Session) -> None:
        with pytest.raises(StatementError) as caught:
            session.rows("select * from conformance.nothing_here")
        assert caught.value.missing_table.endswith("nothing_here")

    def test_a_syntax_error_is_a_statement_error(self, session: Session) -> None:
        with pytest.raises(StatementError):
            session.execute("selec 1")
        assert session.rows("select 1 as one").rows == ((1,),)

    def test_a_committed_transaction_is_seen_by_others(self, connection: Connection, session: Session) -> None:
        with session.transaction():
            session.execute(f"create table {_MADE.sql} as select 1 as id")
        assert connection.session().rows(f"select * from {_MADE.sql}").rows == ((1,),)

    def test_a_transaction_that_raises_leaves_nothing_and_the_first_error_is_told(
        self, connection: Connection, session: Session
    ) -> None:
        with pytest.raises(StatementError, match="missing_column"), session.transaction(lock_seconds=1.0):
            session.execute(f"create table {_MADE.sql} as select 1 as id")
            session.rows("select missing_column")
        assert connection.relations(["conformance"]) == ()
        assert session.rows("select 1 as one").rows == ((1,),)

    def test_what_a_transaction_has_not_committed_nobody_else_sees(
        self, connection: Connection, session: Session
    ) -> None:
        session.execute(f"create table {_MADE.sql} as select 1 as id")
        other = connection.session()
        with session.transaction():
            session.execute(f"insert into {_MADE.sql} values (2)")
            assert other.rows(f"select count(*) from {_MADE.sql}").rows == ((1,),)
        assert other.rows(f"select count(*) from {_MADE.sql}").rows == ((2,),)

    def test_an_interrupted_statement_ends_and_the_session_goes_on(self, session: Session) -> None:
        ended = threading.Event()

        def interrupt() -> None:
            while not ended.wait(0.02):
                session.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            with pytest.raises(StatementError):
                session.rows(_ENDLESS)
        finally:
            ended.set()
            thread.join()
        assert session.rows("select 1 as one").rows == ((1,),)

    @pytest.mark.parametrize("name", EXACT)
    def test_values_come_back_from_arrow_to_arrow_as_they_were(self, session: Session, name: str) -> None:
        kind, values = EXACT[name]
        table = pa.table({"id": pa.array(range(len(values) + 1), pa.int32()), "value": pa.array([*values, None], kind)})
        session.load(_MADE, table.to_reader())
        back = session.batches(f"select id, value from {_MADE.sql} order by id").read_all()
        assert back.column("value").to_pylist() == table.column("value").to_pylist()
        assert back.schema.field("value").type == kind

    @pytest.mark.parametrize("name", EXACT)
    def test_the_columns_of_what_is_loaded_are_known_before(
        self, target: OpenTarget, session: Session, name: str
    ) -> None:
        empty = pa.schema([("Id", pa.int32()), ("value", EXACT[name][0])]).empty_table()
        session.load(_MADE, empty.to_reader())
        assert target.engine.loaded(empty.schema) == session.columns(f"select * from {_MADE.sql}")

    def test_nan_comes_back_and_is_no_null(self, session: Session) -> None:
        session.load(_MADE, pa.table({"value": pa.array([float("nan"), None], pa.float64())}).to_reader())
        back = session.batches(f"select value from {_MADE.sql} where value is not null").read_all()
        assert [str(value) for value in back.column("value").to_pylist()] == ["nan"]

    def test_a_time_with_a_zone_is_the_same_instant(self, session: Session) -> None:
        moment = pa.array([datetime(2026, 3, 29, 1, 30)], pa.timestamp("us", "UTC"))
        session.load(_MADE, pa.table({"value": moment.cast(pa.timestamp("us", "Europe/Berlin"))}).to_reader())
        back = session.batches(f"select value from {_MADE.sql}").read_all()
        assert back.column("value").cast(pa.timestamp("us", "UTC")).to_pylist() == moment.to_pylist()

    def test_no_rows_keep_their_columns(self, session: Session) -> None:
        schema = pa.schema([("id", pa.int64()), ("text", pa.string())])
        session.load(_MADE, schema.empty_table().to_reader())
        back = session.batches(f"select * from {_MADE.sql}").read_all()
        assert (back.num_rows, back.schema) == (0, schema)

    def test_many_batches_are_one_table(self, session: Session) -> None:
        numbers = pa.table({"id": pa.array(range(200_000), pa.int64())})
        session.load(_MADE, pa.RecordBatchReader.from_batches(numbers.schema, numbers.to_batches(max_chunksize=7_001)))
        assert session.rows(f"select count(*), min(id), max(id) from {_MADE.sql}").rows == ((200_000, 0, 199_999),)
        back = session.batches(f"select id from {_MADE.sql}")
        assert sum(batch.num_rows for batch in back) == 200_000

    def test_a_stream_that_breaks_is_told_in_the_words_of_the_engine(self, session: Session) -> None:
        session.load(_MADE, pa.table({"value": ["1", "no number"]}).to_reader())
        with pytest.raises(StatementError, match="no number"):
            session.batches(f"select cast(value as integer) as value from {_MADE.sql}").read_all()

    def test_a_load_that_fails_in_a_transaction_leaves_nothing(self, connection: Connection, session: Session) -> None:
        schema = pa.schema([("id", pa.int64())])

        def broken() -> Iterator[pa.RecordBatch]:
            yield pa.record_batch([pa.array([1], pa.int64())], schema=schema)
            raise ValueError("the source has broken")

        with pytest.raises((ValueError, StatementError)), session.transaction():
            session.load(_MADE, pa.RecordBatchReader.from_batches(schema, broken()))
        assert connection.relations(["conformance"]) == ()
        assert session.rows("select 1 as one").rows == ((1,),)

    @pytest.mark.parametrize("kind", CARRIED)
    def test_a_column_is_carried_to_another_target_as_what_it_was(
        self, connection: Connection, session: Session, target: OpenTarget, kind: str
    ) -> None:
        """What arrives elsewhere is what the engine itself would read back: the same values, in the same type."""
        own = quoted('a "value"')
        value = f"select cast(1 as integer) as id, cast({CARRIED[kind]} as {kind}) as {own}"
        session.execute(f"create table {_MADE.sql} as {value} union all select 2, cast(null as {kind})")
        (column,) = session.columns(f"select {own} from {_MADE.sql}")
        carried = target.engine.carried(column)
        assert carried is not None
        other = connection.session()
        other.load(_ARRIVED, session.batches(f"select id, {carried} as {own} from {_MADE.sql}"))
        (arrived,) = other.columns(f"select {own} from {_ARRIVED.sql}")
        assert (arrived.name, target.engine.type_name(arrived.type)) == (
            column.name,
            target.engine.type_name(column.type),
        )
        same = f"{_MADE.sql} as a join {_ARRIVED.sql} as b on a.id = b.id and (a.{own} = b.{own} or a.id = 2)"
        assert other.rows(f"select a.id, b.{own} is null from {same} order by a.id").rows == ((1, False), (2, True))
        other.close()

    @pytest.mark.parametrize("name", FROM_OTHERS)
    def test_what_other_engines_carry_arrives(self, session: Session, name: str) -> None:
        kind, values = FROM_OTHERS[name]
        table = pa.table({"id": pa.array(range(len(values) + 1), pa.int32()), "value": pa.array([*values, None], kind)})
        session.load(_MADE, table.to_reader())
        back = session.batches(f"select value from {_MADE.sql} order by id").read_all()
        assert back.column("value").to_pylist() == [*values, None]

    def test_a_unique_index_refuses_what_comes_twice(self, session: Session, target: OpenTarget) -> None:
        session.execute(f"create table {_MADE.sql} as select 1 as id")
        session.execute(target.engine.index(_MADE, "conformance_index", IndexConfig(columns=("id",), unique=True)))
        with pytest.raises(StatementError):
            session.execute(f"insert into {_MADE.sql} values (1)")

    def test_an_index_may_be_on_expressions(self, session: Session, target: OpenTarget) -> None:
        session.execute(f"create table {_MADE.sql} as select 1 as id, 'a' as word")
        index = IndexConfig(columns=("id",), expressions=("lower(word)",), unique=True)
        session.execute(target.engine.index(_MADE, "conformance_index", index))
        with pytest.raises(StatementError):
            session.execute(f"insert into {_MADE.sql} values (1, 'A')")

    def test_a_table_without_options_is_made_and_finished(self, session: Session, target: OpenTarget) -> None:
        engine = target.engine
        session.execute(f"{engine.create(_MADE, 'table', {})} as\nselect 1 as id")
        for statement in (*engine.arranged(_MADE, {}, session.rows), *engine.analyzed(_MADE, {})):
            session.execute(statement)
        assert session.rows(f"select id from {_MADE.sql}").rows == ((1,),)

    def test_options_have_defaults_and_what_all_engines_have_is_not_refused(self, target: OpenTarget) -> None:
        target.engine.options()
        assert list(target.engine.unfit(BlockConfig(indexes=(IndexConfig(columns=("id",)),), order_by=("id",)))) == []

    def test_a_view_is_replaced_and_keeps_its_readers(self, session: Session) -> None:
        session.execute(f"create table {_MADE.sql} as select 1 as id")
        session.execute("create table conformance.other as select 2 as id")
        session.execute(f"create view conformance.shown as select * from {_MADE.sql}")
        session.execute("create view conformance.over_it as select id + 1 as more from conformance.shown")
        session.execute("create or replace view conformance.shown as select * from conformance.other")
        assert session.rows("select * from conformance.over_it").rows == ((3,),)

    def test_comments_are_kept_on_views_and_columns(self, session: Session) -> None:
        session.execute("create view conformance.shown as select 1 as id")
        session.execute("comment on view conformance.shown is 'It''s one.'")
        session.execute("comment on column conformance.shown.id is 'The one.'")

    def test_a_reader_writes_nothing(self, target: OpenTarget) -> None:
        maker = target.open()
        maker.session().execute(f"create table {quoted('made')} as select 1 as id")
        target.close()
        reader = target.open(readonly=True).session()
        assert reader.rows("select id from made").rows == ((1,),)
        with pytest.raises(StatementError):
            reader.execute("drop table made")
        target.close()

    def test_several_statements_at_once_are_refused_before_the_first(
        self, session: Session, target: OpenTarget
    ) -> None:
        assert target.engine.syntax_error("select 1; select 2") is not None
        assert target.engine.syntax_error("select ';' as a -- ; b") is None

    def test_the_content_of_a_table_is_told_apart_from_any_other(self, session: Session, target: OpenTarget) -> None:
        rows = [
            "(1, 'a')",
            "(1, 'a'), (2, 'b')",
            "(2, 'b'), (1, 'a')",
            "(1, 'a'), (2, null)",
            "(1, 'a'), (2, '')",
            "(1, 'a'), (1, 'a'), (2, 'b')",
            "(1, 'b'), (2, 'a')",
        ]
        found: list[list[object]] = [[], []]
        for number, values in enumerate(rows):
            relation = TableName("conformance", f"made_{number}")
            session.execute(f"create table {relation.sql} (id integer, word varchar)")
            session.execute(f"insert into {relation.sql} values {values}")
            columns = session.columns(f"select * from {relation.sql}")
            for ordered in (False, True):
                query = target.engine.content(relation, columns, ordered)
                found[ordered].append(session.rows(query).rows if query else number)
        assert [found[0].index(one) for one in found[0]] in ([0, 1, 1, 3, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6])
        assert [found[1].index(one) for one in found[1]] == [0, 1, 2, 3, 4, 5, 6]

    def test_conditions_of_assertions_hold(self, session: Session, target: OpenTarget) -> None:
        failing = target.engine.failing_pattern("word", "'^[a-z]+$'")
        words = "(values ('abc'), ('a1'), (null)) as words (word)"
        assert session.rows(f"select word from {words} where {failing}").rows == (("a1",),)
        old = target.engine.older_than("moment", timedelta(days=1).total_seconds())
        moments = "(select cast('2000-01-01 00:00:00' as timestamp) as moment) as moments"
        assert session.rows(f"select 1 as one from {moments} where {old}").rows == ((1,),)

    def test_words_of_queries_are_the_same_each_time(self, target: OpenTarget) -> None:
        assert not any(
            target.engine.is_of_now(word, is_text) for word in ("amount", "paid") for is_text in (True, False)
        )

    def test_functions_are_known_by_their_stability(self, target: OpenTarget) -> None:
        assert target.engine.stability("now") == "volatile"
        assert target.engine.stability("lower") == "stable"
        assert target.engine.stability("surely_no_function") == "unknown"

    def test_its_files_show_each_change_and_no_look(self, target: OpenTarget) -> None:
        def told(statement: str) -> list[tuple[int, int] | None]:
            session = target.open().session()
            session.execute(statement)
            session.close()
            target.close()
            return [stamp(file) for file in target.engine.files(target.settings, target.root)]

        made = told("create table sqlflow_seen as select 1 as id")
        assert made == told("select * from sqlflow_seen")
        assert not made or told("insert into sqlflow_seen select 2") != made

    def test_what_somebody_has_defined_is_told(self, connection: Connection) -> None:
        assert connection.definitions() == ""
        found = []
        for kind in ("enum ('a', 'b')", "enum ('b', 'a')", "enum ('a', 'b')"):
            connection.session().execute(f"create type sqlflow_kind as {kind}")
            found.append(connection.definitions())
            connection.session().execute("drop type sqlflow_kind")
        assert all(found)
        assert found[0] == found[2] != found[1]
        assert connection.definitions() == ""

    def test_types_have_one_spelling(self, target: OpenTarget) -> None:
        for one, other in (
            ("int", "INTEGER"),
            ("text", "varchar"),
            ("numeric(10, 2)", "decimal(10,2)"),
            ("int8", "bigint"),
        ):
            assert target.engine.type_name(one) == target.engine.type_name(other)
        assert target.engine.type_name("integer") != target.engine.type_name("bigint")

    def test_the_tables_of_unit_tests_are_not_in_the_target(self, target: OpenTarget, connection: Connection) -> None:
        """They are in a database in memory, or a session's own."""
        settings = target.engine.scratch(target.settings)
        aside = connection if settings is None else target.engine.open(settings, target.root)
        own, other = aside.session(), connection.session()
        relation = TableName(target.engine.temporary, "sqlflow_aside")
        own.execute(f"create table {relation.sql} as select cast(1 as integer) as id")
        own.load(TableName(target.engine.temporary, "sqlflow_loaded"), pa.table({"id": [2]}).to_reader())
        assert own.rows(f"select id from {relation.sql}").rows == ((1,),)
        with pytest.raises(StatementError):
            other.rows(f"select id from {relation.sql}")
        own.close()
        other.close()
        if aside is not connection:
            aside.close()


_ENDLESS = "with recursive n (i) as (select cast(1 as bigint) union all select i + 1 from n where i < 1000000000000) select count(*) from n"
