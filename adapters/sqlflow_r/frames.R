# Tables from and to files of raw little-endian columns: one file a column, `NUMBER.data`, in chunks of rows.
#
#   logical, integer   32 bits, NA is the lowest number        double        64 bits, NA is R's own
#   integer64          64 bits, NA is the lowest number        date          days as double
#   time, datetime     seconds as double                       factor        codes as integer, from 1
#   character          UTF-8, each ended by NUL, and `NUMBER.null`: a byte for each row, 1 for NA. A chunk of few texts that
#                      come again and again is coded: as the codes of a factor, and behind them its levels
#   blob               bytes, and `NUMBER.null`: the length of each as 32 bits, -1 for NULL
#   list               `NUMBER.null` as of a blob; all values of all rows are a column of their own, NUMBER.1
#   struct             nothing; each field is a column of its own, NUMBER.1, NUMBER.2, …

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
    blob = lapply(read_lengths(column, folder, rows), function(length) if (length < 0) NULL else readBin(from, "raw", length)),
    list = read_list(column, folder, rows),
    struct = read_frame(list(columns = column$children, folder = folder, rows = rows, frame = "data.frame"))
  )
}

read_text <- function(from, column, folder, rows) {
  codes <- integer(rows)
  texts <- vector("list", length(column$chunks))
  done <- before <- 0L
  for (number in seq_along(column$chunks)) {
    chunk <- column$chunks[[number]]
    count <- if (chunk$levels) chunk$levels else chunk$rows
    own <- if (chunk$levels) readBin(from, "integer", chunk$rows, endian = "little") else seq_len(chunk$rows)
    codes[done + seq_len(chunk$rows)] <- own + before
    texts[[number]] <- readBin(readBin(from, "raw", chunk$bytes), "character", count)
    done <- done + chunk$rows
    before <- before + as.integer(count)
  }
  value <- as.character(unlist(texts, use.names = FALSE))
  if (before != rows || any(vapply(column$chunks, function(chunk) chunk$levels > 0, NA))) value <- value[codes]
  if (column$nulls) value[readBin(file.path(folder, paste0(column$number, ".null")), "raw", rows) == 1] <- NA
  value
}

read_lengths <- function(column, folder, rows) {
  readBin(file.path(folder, paste0(column$number, ".null")), "integer", rows, endian = "little")
}

read_list <- function(column, folder, rows) {
  lengths <- read_lengths(column, folder, rows)
  counts <- pmax(lengths, 0L)
  values <- read_column(column$children[[1]], folder, sum(counts))
  groups <- structure(rep.int(seq_along(counts), counts), levels = as.character(seq_along(counts)), class = "factor")
  parts <- unname(split(values, groups))
  if (is.data.frame(values)) parts <- lapply(parts, function(part) structure(part, row.names = .set_row_names(nrow(part))))
  parts[lengths < 0] <- list(NULL)
  parts
}

# ---- out ----

# Writes a table and returns what must be known to read it. What cannot cross is refused, by the column's name.
write_frame <- function(value, folder, chunk) {
  check_frame(value)
  rows <- nrow(value)
  bounds <- c(if (rows) seq(0, rows - 1, by = chunk), rows)
  columns <- lapply(seq_along(value), function(number) {
    write_column(.subset2(value, number), list(name = names(value)[[number]], number = number, inside = FALSE), folder, bounds)
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

# Writes the values of a column or of what is inside of one. `bounds` are the rows before the first chunk, and after each.
write_column <- function(value, about, folder, bounds) {
  bad <- function(what, hint = "") {
    if (about$inside) what <- gsub("in row", "in value", what, fixed = TRUE)
    refuse(sprintf("column `%s` is %s", about$name, what), hint)
  }
  check_column(value, bounds[[length(bounds)]], bad)
  about$kind <- kind_of(value, bad)
  to <- file(file.path(folder, paste0(about$number, ".data")), "wb", raw = TRUE)
  on.exit(close(to))
  beside <- file.path(folder, paste0(about$number, ".null"))
  if (about$kind == "character") return(c(about, write_text(value, to, beside, bounds, bad)))
  if (about$kind == "blob") return(c(about, write_blobs(value, to, beside, bounds)))
  if (about$kind == "list") return(write_list(value, about, folder, beside, bounds, bad))
  if (about$kind == "struct") return(write_struct(value, about, folder, bounds))
  if (about$kind == "factor") {
    levels <- levels(value)
    value <- as.integer(value)
    about$named <- !anyNA(levels)
    value[is.na(levels)[value]] <- NA
    levels[is.na(levels)] <- ""
    about$levels <- I(utf8(levels, bad))
  }
  if (about$kind == "datetime") {
    zone <- attr(value, "tzone")
    about$zone <- if (is.null(zone)) "" else zone[[1]]
  }
  if (about$kind == "time" && !inherits(value, "ITime")) units(value) <- "secs"
  storage <- switch(about$kind, logical = , integer = , factor = "integer", "double")
  dim(value) <- NULL
  attributes(value) <- NULL
  if (typeof(value) != storage) storage.mode(value) <- storage
  write_numbers(value, to, bounds)
  about
}

# At most 2^31 - 1 bytes can be written at once.
write_numbers <- function(value, to, bounds) {
  if (length(value) < 2^27) return(writeBin(value, to, endian = "little"))
  for (part in chunks(bounds)) writeBin(value[part], to, endian = "little")
}

# The rows of each chunk.
chunks <- function(bounds) lapply(seq_along(bounds)[-1], function(number) seq_len(bounds[[number]] - bounds[[number - 1]]) + bounds[[number - 1]])

check_column <- function(value, rows, bad) {
  if (is.data.frame(value)) {
    if (!length(value)) bad("a data.frame without columns", "a struct has at least one field")
    names <- names(value)
    if (is.null(names) || anyNA(names) || any(!nzchar(names)) || anyDuplicated(tolower(names))) {
      bad("a data.frame whose columns have no names of their own", "name every field, without regard to case")
    }
    return()
  }
  odd <- setdiff(oldClass(value), known)
  if (inherits(value, "POSIXlt")) bad("POSIXlt", "convert it with `as.POSIXct()`")
  if (length(odd)) bad(sprintf("of class `%s`, which no table has", odd[[1]]), "convert it, as with `as.numeric()` or `as.character()`")
  if (length(dim(value)) > 1 && ncol(value) != 1) bad("a matrix", "give each of its columns a name of its own")
  if (length(value) != rows) bad(sprintf("%d values long, and the result has %d rows", length(value), rows))
}

# Returns the word for what a column holds.
kind_of <- function(value, bad) {
  if (is.data.frame(value)) return("struct")
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
    list = if (all(vapply(value, function(one) is.null(one) || is.raw(one), NA))) "blob" else "list",
    bad(sprintf("of type %s, which no table has", typeof(value)), "convert it, as with `as.character()`")
  )
}

write_text <- function(value, to, beside, bounds, bad) {
  null <- file(beside, "wb", raw = TRUE)
  on.exit(close(null))
  value <- as.vector(value)
  told <- vapply(chunks(bounds), function(rows) {
    part <- if (length(rows) == length(value)) value else value[rows]
    levels <- few(part)
    if (is.null(levels)) {
      part <- utf8(part, bad, rows[[1]])
      missing <- is.na(part)
      writeBin(as.raw(missing), null)
      if (any(missing)) part[missing] <- ""
      writeBin(part, to)
    } else {
      writeBin(raw(length(part)), null)
      codes <- match(part, levels)
      odd <- is_odd(levels)
      if (any(odd)) utf8(part, bad, rows[[1]])
      writeBin(codes, to, endian = "little")
      writeBin(enc2utf8(levels), to)
    }
    c(seek(to), length(levels))
  }, c(0, 0))
  list(ends = I(told[1, ]), levels = I(told[2, ]))
}

# Returns the texts that come again and again, but NA; NULL if there are too many.
few <- function(part) {
  sample <- part[seq_len(min(length(part), 10000))]
  if (length(sample) < 100 || length(unique(sample)) * 2 > length(sample)) return(NULL)
  found <- unique(part)
  found <- found[!is.na(found)]
  if (length(found) && length(found) * 4 < length(part)) found
}

# A byte that is no character; `enc2utf8` would write `<ff>` for it.
is_odd <- function(text) Encoding(text) == "bytes" | !(validEnc(text) | is.na(text))

utf8 <- function(text, bad, first = 1) {
  odd <- which(is_odd(text))
  if (length(odd)) bad(sprintf("no valid UTF-8 in row %d", odd[[1]] + first - 1), "tell R its encoding with `iconv()`, or keep it as a list of raw vectors")
  enc2utf8(text)
}

write_blobs <- function(value, to, beside, bounds) {
  null <- file(beside, "wb", raw = TRUE)
  on.exit(close(null))
  ends <- vapply(chunks(bounds), function(rows) {
    part <- unclass(value)[rows]
    writeBin(ifelse(vapply(part, is.null, NA), -1L, lengths(part)), null, endian = "little")
    for (one in part) if (length(one)) writeBin(one, to)
    seek(to)
  }, 0)
  list(ends = I(ends))
}

# Values of all rows become one column, whose chunks are those of the rows.
write_list <- function(value, about, folder, beside, bounds, bad) {
  value <- unclass(value)
  missing <- vapply(value, is.null, NA)
  lengths <- vapply(value, NROW, 0L)
  values <- flat(value[!missing], which(!missing), bad)
  writeBin(ifelse(missing, -1L, lengths), beside, endian = "little")
  about$bounds <- I(c(0, cumsum(as.double(lengths)))[bounds + 1])
  inner <- list(name = paste0(about$name, "[]"), number = paste0(about$number, ".1"), inside = TRUE)
  about$children <- I(list(write_column(values, inner, folder, as.vector(about$bounds))))
  about
}

write_struct <- function(value, about, folder, bounds) {
  fields <- lapply(seq_along(value), function(number) {
    inner <- list(name = paste0(about$name, ".", names(value)[[number]]), number = paste0(about$number, ".", number), inside = about$inside)
    inner <- write_column(.subset2(value, number), inner, folder, bounds)
    inner$field <- names(value)[[number]]
    inner
  })
  about$children <- I(fields)
  about
}

# Returns all values behind each other, if they are of one type: `c()` would make text of numbers.
flat <- function(given, rows, bad) {
  kinds <- vapply(seq_along(given), function(at) kind_inside(given[[at]], rows[[at]], bad), "")
  if ("numeric" %in% kinds) kinds[kinds == "integer"] <- "numeric"
  typed <- which(nzchar(kinds))
  if (!length(typed)) return(unname(do.call(c, unname(given))))
  kind <- kinds[[typed[1]]]
  other <- typed[kinds[typed] != kind]
  if (length(other)) {
    what <- "a list of several types: %s in row %d and %s in row %d"
    bad(sprintf(what, kind, rows[[typed[1]]], kinds[[other[1]]], rows[[other[1]]]), "give all values one type")
  }
  first <- given[[typed[1]]]
  if (kind == "data.frame") return(bound(given, length(typed) == length(given), bad))
  given[-typed] <- lapply(given[-typed], function(one) first[rep(NA_integer_, length(one))])
  if (kind == "factor") given <- lapply(given, as.character)
  if (kind == "hms") given <- lapply(given, function(one) as.numeric(one, units = "secs"))
  value <- unname(do.call(c, unname(given)))
  if (kind == "hms") value <- structure(value, class = class(first), units = "secs")
  if (kind == "POSIXct with a zone") attr(value, "tzone") <- attr(first, "tzone")
  value
}

# Returns the word for what one value of a list holds; none if it is NA alone or empty, which goes with every type.
kind_inside <- function(one, row, bad) {
  if (is.data.frame(one)) return("data.frame")
  odd <- setdiff(oldClass(one), known)
  if (length(odd) || !(is.atomic(one) || is.list(one))) bad(sprintf("a list with a value of class `%s` in row %d", class(one)[[1]], row), "make it a vector")
  if (length(dim(one)) > 1) bad(sprintf("a list with a matrix in row %d", row), "make it a vector or a data.frame")
  if (is.list(one) && !is.null(names(one))) bad(sprintf("a list with a named list in row %d", row), "write it as a data.frame, which is a list of structs")
  if (is.logical(one) && all(is.na(one))) return("")
  if (inherits(one, "POSIXct") && !is.null(attr(one, "tzone")) && nzchar(attr(one, "tzone")[[1]])) return("POSIXct with a zone")
  class(one)[[1]]
}

bound <- function(given, is_all, bad) {
  names <- names(given[[1]])
  if (!is_all || !all(vapply(given, function(one) identical(names(one), names), NA))) {
    bad("a list of data.frames with other columns each", "give all of them the same columns in the same order")
  }
  fields <- lapply(seq_along(names), function(number) flat(lapply(given, function(one) one[[number]]), seq_along(given), bad))
  structure(fields, names = names, class = "data.frame", row.names = .set_row_names(sum(vapply(given, nrow, 0L))))
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
