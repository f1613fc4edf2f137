"""The calls in a piece of R, and what they tell: packages, files, SQL, names from the environment, clocks."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from msgspec import Struct

from sqlflow.core.errors import Problem
from sqlflow.core.runtime import CONTEXT, Asked
from sqlflow.core.text import SourceFile
from sqlflow_r.tokens import Token, closing, parts

_WORDS = frozenset({"function", "if", "while", "for", "repeat", "else", "in", "return"})
_LOADS = frozenset({"library", "require", "requireNamespace", "loadNamespace"})
_SOURCES = frozenset({"source", "sys.source"})
_REACHING = """
    Sys.time Sys.Date date proc.time system.time Sys.getenv Sys.info Sys.getpid Sys.getlocale Sys.timezone
    sessionInfo R.Version R.home nodename getwd list.files dir list.dirs file.exists file.info file.size file.mtime
    commandArgs installed.packages system system2 shell pipe socketConnection read.csv read.csv2 read.table
    read.delim read.delim2 read.fwf read.dcf readLines readRDS readBin readChar readline scan load data file gzfile
    bzfile xzfile unz url download.file fread read_csv read_csv2 read_tsv read_delim read_lines read_file read_rds
    read_excel read_xls read_xlsx read_parquet read_feather read_ipc_file open_dataset fromJSON read_json read_xml
    read_html dbConnect GET POST curl curl_fetch_memory req_perform UUIDgenerate
    dget md5sum sha256sum count.fields file.access Sys.readlink Sys.which unzip untar vroom read_csv_arrow read_sas
    read_dta read_sav st_read read_yaml yaml.load_file stream_in read.xlsx readWorkbook
"""
_OUTSIDE = frozenset(_REACHING.split())
"""The usual ways to files, the network and the clock. Random numbers are none: each call begins with its own seed."""
_WORDS_TOO = frozenset(
    str.split("date nodename getwd dir system system2 shell pipe scan load data file unz url GET POST curl vroom")
)
"""Those of them that are usual names of columns and variables."""
_APPLIES = frozenset(
    str.split("""
    apply do.call exec Filter future_lapply future_map get getFunction imap lapply map map2 map_chr map_dbl map_df map_dfr map_int
    map_lgl mapply Map match.fun mget outer pmap Reduce reduce rapply sapply tapply vapply Vectorize walk
    """)
)
"""What is given functions, and calls or returns them."""


class Call(Struct, frozen=True):
    """A call as it is written: of `name`, in `package` or on the list `on` where that is said."""

    name: str
    token: Token
    arguments: tuple[tuple[Token, ...], ...]
    package: str = ""
    on: str = ""

    def argument(self, name: str = "") -> tuple[Token, ...]:
        """Return the argument of that name, else the first that has none; empty where there is none."""
        named = {part[0].name: part[2:] for part in self.arguments if len(part) > 2 and part[1].text == "="}
        plain = [part for part in self.arguments if not (len(part) > 2 and part[1].text == "=")]
        return named.get(name) or (plain[0] if plain else ())


def calls(found: Sequence[Token]) -> Iterator[Call]:
    """Yield every call, in order."""
    found = [token for token in found if token.kind not in ("comment", "end")]
    for index, token in enumerate(found[:-1]):
        name = token.value if token.is_string else token.name
        if not name or token.text in _WORDS or found[index + 1].text != "(":
            continue
        before = found[index - 1].text if index > 1 else ""
        owner = found[index - 2] if index > 1 else token
        arguments = tuple(parts(found[index + 2 : closing(found, index + 1)]))
        package = owner.name if before in ("::", ":::") else ""
        yield Call(name, token, arguments, package, owner.name or "?" if before in ("$", "@") else "")


def packages(found: Sequence[Token]) -> Iterator[str]:
    """Yield the packages that are named: loaded, or in front of `::`."""
    for token, following in pairwise(found):
        if following.text in ("::", ":::") and token.kind != "operator":
            yield token.value if token.is_string else token.name
    for call in calls(found):
        if call.name in _LOADS and not call.on and not _has(call, "character.only"):
            argument = call.argument("package")
            if len(argument) == 1 and (name := _word(argument[0], call)):
                yield name


def _word(token: Token, call: Call) -> str:
    """What names a package: text, or a bare word where R takes it for the name itself."""
    return token.value if token.is_string else token.name if call.name in ("library", "require") else ""


def _has(call: Call, name: str) -> bool:
    return any(len(part) > 1 and part[0].name == name and part[1].text == "=" for part in call.arguments)


def sources(found: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    """Yield the files that are read with `source()`, each at its place; an empty path where it is no literal."""
    for call in calls(found):
        if call.name in _SOURCES and not call.on:
            argument = call.argument("file")
            is_text = len(argument) == 1 and argument[0].is_string
            yield (argument[0] if is_text else call.token), (argument[0].value if is_text else "")


def asked(found: Sequence[Token]) -> Iterator[Asked]:
    """Yield the SQL that is given to `context$sql()` as a literal."""
    for call in _of_context(found, "sql"):
        argument = call.argument("sql")
        if len(argument) == 1 and argument[0].is_string:
            token = argument[0]
            start, end = token.content
            exact = token.value == token.text[start - token.start : end - token.start]
            yield Asked(token.value, start, end, exact)


def env(found: Sequence[Token], source: SourceFile, problems: list[Problem]) -> Iterator[str]:
    """Yield the names that `context$env()` asks for; one that is no literal is a problem."""
    for call in _of_context(found, "env"):
        argument = call.argument("name")
        if len(argument) == 1 and argument[0].is_string:
            yield argument[0].value
        else:
            place = source.place(call.token.start, len(call.token.text))
            hint = 'write the name itself: `context$env("NAME")`'
            problems.append(Problem("the name of an environment variable must be a literal", place, hint))


def _of_context(found: Sequence[Token], name: str) -> Iterable[Call]:
    return (call for call in calls(found) if call.on == CONTEXT and call.name == name)


def _given(found: Sequence[Token]) -> str:
    """Return a function that leads outside and is not called where it stands: it is given to another one, or a name."""
    code = [token for token in found if token.kind not in ("comment", "end")]
    for before, token, after in zip([None, *code], code, [*code[1:], None], strict=False):
        name = token.value if token.is_string else token.name
        is_other = before is not None and before.text in ("$", "@")
        if name in _OUTSIDE - _WORDS_TOO and not is_other and (after is None or after.text not in ("=", "(", "<-")):
            return name
    for call in calls(code):
        for argument in call.arguments if call.name in _APPLIES and not call.on else ():
            if argument and (len(argument) == 1 or argument[-2].text in ("=", "::", ":::")):
                last = argument[-1]
                name = last.value if last.is_string else last.name
                if name in _OUTSIDE | _SOURCES:
                    return name
    return ""


def outside(found: Sequence[Token]) -> str:
    """Return why the code may give other rows from the same inputs; empty if nothing says so."""
    for call in calls(found):
        if not call.on and (call.name in _OUTSIDE or (call.name == "parse" and not _has(call, "text"))):
            return f"`{call.name}()` reaches outside of the block's inputs"
    if given := _given(found):
        return f"`{given}()` reaches outside of the block's inputs"
    code = [token for token in found if token.kind not in ("comment", "end") and token.text != "["]
    for token, after, name in zip(code, code[1:], code[2:], strict=False):
        asked = name if after.text == "$" else after  # `context$run`, or context[["run"]] without its brackets
        said = asked.value if asked.is_string else asked.name if after.text == "$" else ""
        if token.text == CONTEXT and said and "run".startswith(said):  # R completes names
            return "`context$run` is another one each time"
    return ""
