# Tables from and to files of raw little-endian columns: one file a column, `NUMBER.data`, in chunks of rows.
#
#   logical, integer   32 bits, NA is the lowest number        double        64 bits, NA is R's own
#   integer64          64 bits, NA is the lowest number        date          days as double
#   time, datetime     seconds as double                       factor        codes as integer, from 1
#   character          UTF-8, each ended by NUL, and `NUMBER.null`: a byte for each row, 1 for NA
#   blob               bytes, and `NUMBER.null`: the length of each as 32 bits, -1 for NULL

has <- function(package) nzchar(system.file(package = package))

refuse <- function(message, hint = "") {
  stop(structure(class = c("refused", "error", "condition"), list(message = message, call = NULL, hint = hint)))
}

described <- function(value) {
  kind <- class(value)[[1]]
  paste(if (grepl("^[aeiou]", kind)) "an" else "a", kind)
}

# ---- in ----

read_frame <- function(given) {
  columns <- lapply(given$columns, function(column) read_column(column, given$folder, given$rows))
  names(columns) <- vapply(given$columns, function(column) column$name, "")
  frame <- structure(columns, class = "data.frame", row.names = .set_row_names(given$rows))
  switch(given$frame,
    tibble = {
      loadNamespace("tibble")
      structure(frame, class = c("tbl_df", "tbl", "data.frame"))
    },
    data.table = data.table::setDT(frame)[],
    frame
  )
}

read_column <- function(column, folder, rows) {
  path <- file.path(folder, paste0(column$number, ".data"))
  from <- file(path, "rb", raw = TRUE)
  on.exit(close(from))
  plain <- function(kind) readBin(from, kind, rows, endian = "little")
  switch(column$kind,
    logical = plain("logical"),
    integer = plain("integer"),
    double = plain("double"),
    integer64 = {
      loadNamespace("bit64")
      structure(plain("double"), class = "integer64")
    },
    date = structure(plain("double"), class = "Date"),
    datetime = .POSIXct(plain("double"), if (nzchar(column$zone)) column$zone),
    time = structure(plain("double"), class = c("hms", "difftime"), units = "secs"),
    factor = structure(plain("integer"), levels = as.character(column$levels), class = "factor"),
    character = read_text(from, column, folder, rows),
    blob = read_blobs(from, column, folder, rows)
  )
}

read_text <- function(from, column, folder, rows) {
  value <- character(rows)
  at <- 0
  for (chunk in column$chunks) {
    value[at + seq_len(chunk$rows)] <- readBin(readBin(from, "raw", chunk$bytes), "character", chunk$rows)
    at <- at + chunk$rows
  }
  if (column$nulls) value[readBin(file.path(folder, paste0(column$number, ".null")), "raw", rows) == 1] <- NA
  value
}

read_blobs <- function(from, column, folder, rows) {
  lengths <- readBin(file.path(folder, paste0(column$number, ".null")), "integer", rows, endian = "little")
  lapply(lengths, function(length) if (length < 0) NULL else readBin(from, "raw", length))
}

# ---- out ----

# Writes a table and returns what must be known to read it. What cannot cross is refused, by the column's name.
write_frame <- function(value, folder, chunk) {
  check_frame(value)
  rows <- nrow(value)
  starts <- if (rows) seq(0, rows - 1, by = chunk) else numeric()
  columns <- lapply(seq_along(value), function(number) {
    write_column(.subset2(value, number), names(value)[[number]], number, folder, rows, starts, chunk)
  })
  list(rows = rows, chunk = chunk, columns = I(columns))
}

check_frame <- function(value) {
  if (!is.data.frame(value)) {
    what <- if (is.null(value)) "NULL" else described(value)
    refuse(sprintf("the function gives %s, and not a data.frame", what), "return a data.frame, a tibble or a data.table")
  }
  if (!length(value)) refuse("the result has no columns", "a table has at least one column")
  names <- names(value)
  if (is.null(names) || anyNA(names) || any(!nzchar(names))) {
    refuse(sprintf("column %d of the result has no name", which(is.na(names) | !nzchar(names))[1]), "name every column")
  }
  twice <- names[duplicated(tolower(names))]
  if (length(twice)) refuse(sprintf("duplicate column `%s` in the result", twice[[1]]), "names are unique without regard to case")
  rows <- attr(value, "row.names")
  if (is.character(rows) && any(!grepl("^[0-9]+$", rows))) {
    hint <- "make them a column, or drop them with `row.names(x) <- NULL`"
    refuse(sprintf("the result has row names, such as `%s`, which no table has", rows[[1]]), hint)
  }
}

known <- c("AsIs", "noquote", "ts", "factor", "ordered", "Date", "IDate", "POSIXct", "POSIXt", "integer64", "hms", "difftime", "ITime", "blob", "vctrs_list_of", "vctrs_vctr", "list")

write_column <- function(value, name, number, folder, rows, starts, chunk) {
  bad <- function(what, hint = "") refuse(sprintf("column `%s` is %s", name, what), hint)
  odd <- setdiff(oldClass(value), known)
  if (is.data.frame(value)) bad("a data.frame inside of a data.frame", "give each of its columns a name of its own")
  if (inherits(value, "POSIXlt")) bad("POSIXlt", "convert it with `as.POSIXct()`")
  if (length(odd)) bad(sprintf("of class `%s`, which no table has", odd[[1]]), "convert it, as with `as.numeric()` or `as.character()`")
  if (length(dim(value)) > 1 && ncol(value) != 1) bad("a matrix", "give each of its columns a name of its own")
  if (length(value) != rows) bad(sprintf("%d values long, and the result has %d rows", length(value), rows))
  kind <- kind_of(value, bad)
  about <- list(name = name, number = number, kind = kind)
  path <- file.path(folder, paste0(number, ".data"))
  to <- file(path, "wb", raw = TRUE)
  on.exit(close(to))
  each <- function(write) for (start in starts) write(value[start + seq_len(min(chunk, rows - start))])
  if (kind == "character") return(c(about, write_text(value, to, number, folder, starts, chunk, rows, bad)))
  if (kind == "blob") return(c(about, write_blobs(value, to, number, folder, starts, chunk, rows)))
  if (kind == "factor") {
    levels <- levels(value)
    value <- as.integer(value)
    value[is.na(levels)[value]] <- NA
    levels[is.na(levels)] <- ""
    about$levels <- I(utf8(levels, bad))
  }
  if (kind == "datetime") {
    zone <- attr(value, "tzone")
    about$zone <- if (is.null(zone)) "" else zone[[1]]
  }
  if (kind == "time" && !inherits(value, "ITime")) units(value) <- "secs"
  storage <- switch(kind, logical = , integer = , factor = "integer", "double")
  dim(value) <- NULL
  attributes(value) <- NULL
  if (typeof(value) != storage) storage.mode(value) <- storage
  each(function(part) writeBin(part, to, endian = "little"))
  about
}

# Returns the word for what a column holds.
kind_of <- function(value, bad) {
  if (is.factor(value)) return("factor")
  if (inherits(value, "integer64")) return("integer64")
  if (inherits(value, "POSIXct")) return("datetime")
  if (inherits(value, "Date")) return("date")
  if (inherits(value, "hms") || inherits(value, "ITime")) return("time")
  if (inherits(value, "difftime")) bad("a difftime, which says no unit to SQL", "convert it, as with `as.numeric(x, units = \"secs\")`")
  switch(typeof(value),
    logical = {
      if (length(value) && all(is.na(value))) bad("NA alone, so that its type cannot be told", "write NA_integer_, NA_real_ or NA_character_, or give it a type with `as.logical()` of a value")
      "logical"
    },
    integer = "integer",
    double = "double",
    character = "character",
    list = {
      if (!all(vapply(value, function(one) is.null(one) || is.raw(one), NA))) {
        bad("a list", "unnest it, or write each value as one text; a list of raw vectors is a BLOB")
      }
      "blob"
    },
    bad(sprintf("of type %s, which no table has", typeof(value)), "convert it, as with `as.character()`")
  )
}

utf8 <- function(text, bad) {
  # `enc2utf8` writes `<ff>` for a byte that is no character, so that it must be asked before.
  odd <- which(Encoding(text) == "bytes" | !(validEnc(text) | is.na(text)))
  if (length(odd)) bad(sprintf("no valid UTF-8 in row %d", odd[[1]]), "tell R its encoding with `iconv()`, or keep it as a list of raw vectors")
  enc2utf8(text)
}

write_text <- function(value, to, number, folder, starts, chunk, rows, bad) {
  null <- file(file.path(folder, paste0(number, ".null")), "wb", raw = TRUE)
  on.exit(close(null))
  value <- utf8(as.vector(value), bad)
  ends <- vapply(starts, function(start) {
    part <- if (rows <= chunk) value else value[start + seq_len(min(chunk, rows - start))]
    missing <- is.na(part)
    writeBin(as.raw(missing), null)
    if (any(missing)) part[missing] <- ""
    writeBin(part, to)
    seek(to)
  }, 0)
  list(ends = I(ends))
}

write_blobs <- function(value, to, number, folder, starts, chunk, rows) {
  null <- file(file.path(folder, paste0(number, ".null")), "wb", raw = TRUE)
  on.exit(close(null))
  ends <- vapply(starts, function(start) {
    part <- unclass(value)[start + seq_len(min(chunk, rows - start))]
    writeBin(ifelse(vapply(part, is.null, NA), -1L, lengths(part)), null, endian = "little")
    for (one in part) if (length(one)) writeBin(one, to)
    seek(to)
  }, 0)
  list(ends = I(ends))
}

# What is told of the rows that fail an assertion: how many they are, and the first of them as text.
sampled <- function(value) {
  first <- utils::head(as.data.frame(value), 1000)
  cells <- lapply(first, function(column) {
    if (is.list(column)) vapply(column, function(one) paste(deparse(one), collapse = " "), "") else as.character(column)
  })
  rows <- lapply(seq_len(nrow(first)), function(row) lapply(unname(cells), function(cell) if (is.na(cell[[row]])) NULL else cell[[row]]))
  list(failing = nrow(value), columns = I(names(value)), sample = I(rows))
}
