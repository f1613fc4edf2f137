# Runs the functions of R blocks, one after the other, for `worker.py`.
#
#   Rscript --vanilla worker.R COMMANDS ANSWERS FRAMES
#
# COMMANDS and ANSWERS are numbers of open files. A command is a line that names a file with an R expression; each answer is a
# line of JSON. Tables come and go as files of raw little-endian columns: `frames.R`. Base R alone is needed.

local({
  given <- commandArgs(trailingOnly = TRUE)
  commands <- file(file.path("/dev/fd", given[[1]]), "r", blocking = TRUE, raw = TRUE)
  answers <- file(file.path("/dev/fd", given[[2]]), "w", raw = TRUE)
  frames <- new.env(parent = baseenv())
  sys.source(given[[3]], frames)

  # The beginning of every call: what an earlier one has changed is put back.
  options(keep.source = TRUE, warn = 1, digits.secs = 6)
  kept <- list(options = options(), search = search(), env = Sys.getenv(), kind = RNGkind())

  restore <- function(job) {
    for (attached in setdiff(search(), kept$search)) detach(attached, character.only = TRUE)
    options(kept$options)
    now <- Sys.getenv()
    Sys.unsetenv(setdiff(names(now), names(kept$env)))
    changed <- names(kept$env)[!(kept$env %in% now & names(kept$env) %in% names(now))]
    if (length(changed)) do.call(Sys.setenv, as.list(kept$env[changed]))
    RNGkind(kept$kind[[1]], kept$kind[[2]], kept$kind[[3]])
    setwd(job$root)
    set.seed(job$seed)
  }

  tidy <- function(mark) {
    rm(list = ls(globalenv(), all.names = TRUE), envir = globalenv())
    while (sink.number() > 0) sink()
    if (sink.number(type = "message") != 2) sink(type = "message")
    ours <- c(0, 1, 2, as.integer(commands), as.integer(answers))
    for (left in setdiff(getAllConnections(), ours)) close(getConnection(left))
    flush(stderr())
    cat(mark, "\n", sep = "", file = stdout())
    flush(stdout())
  }

  # JSON, as far as answers need it: text, numbers, TRUE and FALSE, NULL, lists, and vectors as arrays.
  json <- function(value) {
    if (is.null(value)) return("null")
    if (is.list(value)) {
      parts <- vapply(value, json, "")
      if (is.null(names(value))) return(paste0("[", paste(parts, collapse = ","), "]"))
      return(paste0("{", paste0(quoted(names(value)), ":", parts, collapse = ","), "}"))
    }
    parts <- if (is.character(value)) quoted(value) else
      if (is.logical(value)) ifelse(value, "true", "false") else format(value, digits = 17, scientific = FALSE, trim = TRUE)
    if (inherits(value, "AsIs") || length(value) != 1) paste0("[", paste(parts, collapse = ","), "]") else parts[[1]]
  }
  quoted <- function(text) {
    text <- gsub("([\"\\\\])", "\\\\\\1", iconv(text, "", "UTF-8", sub = "byte"))
    for (code in 1:31) text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
    paste0("\"", text, "\"")
  }
  answer <- function(...) {
    writeLines(json(list(...)), answers, useBytes = TRUE)
    flush(answers)
  }
  next_command <- function() {
    line <- readLines(commands, n = 1)
    if (!length(line)) quit("no")
    eval(parse(file = line, keep.source = FALSE, encoding = "UTF-8"), new.env(parent = baseenv()))
  }

  # The places of the user's own files that lead to where the evaluation is, outermost first.
  stack <- function(calls, file) {
    found <- list()
    for (call in calls) {
      place <- attr(call, "srcref")
      path <- if (is.null(place)) "" else attr(place, "srcfile")$filename
      if (!is.null(path) && (path == file || startsWith(path, "lib/"))) {
        here <- list(path = path, line = place[[1]], column = place[[5]], call = shown(call[[1]]))
        same <- length(found) && identical(found[[length(found)]][c("path", "line", "column")], here[c("path", "line", "column")])
        if (!same) found <- c(found, list(here))
      }
    }
    found
  }

  # Evaluates `code`; gives its value, or the error of the user's code as an object of class `told`.
  guarded <- function(code, file) {
    calls <- NULL
    tell <- function(kind, condition) {
      place <- rev(stack(sys.calls(), file))[1][[1]]
      where <- if (is.null(place)) "" else sprintf(" (%s:%d)", place$path, place$line)
      cat(kind, conditionMessage(condition), where, "\n", sep = "", file = stderr())
    }
    failed <- function(condition) {
      structure(list(message = conditionMessage(condition), call = shown(conditionCall(condition)), stack = stack(calls, file)), class = "told")
    }
    tryCatch(
      withCallingHandlers(
        code,
        error = function(condition) calls <<- sys.calls(),
        warning = function(condition) if (getOption("warn") < 2) {
          tell("warning: ", condition)
          invokeRestart("muffleWarning")
        }
      ),
      error = failed
    )
  }
  shown <- function(call) {
    if (is.null(call)) return("")
    text <- deparse(call, nlines = 1)[[1]]
    if (nchar(text) > 60) paste0(substr(text, 1, 60), "…") else text
  }

  defined <- function(job) {
    lines <- readLines(job$text, encoding = "UTF-8", warn = FALSE)
    source <- srcfilecopy(job$path, lines)
    for (expression in parse(text = lines, srcfile = source, keep.source = TRUE, encoding = "UTF-8")) {
      eval(expression, globalenv())
    }
    found <- get0(job$name, globalenv(), mode = "function", inherits = FALSE)
    if (is.null(found)) stop(sprintf("`%s` is no function once the file has run", job$name), call. = FALSE)
    found
  }

  # What was read without R must be what R sees, or inputs would be missing or mixed up.
  check_formals <- function(found, job) {
    all <- formals(found)
    bare <- vapply(all, function(default) is.name(default) && !nzchar(as.character(default)), NA)
    if (!setequal(names(all)[bare], unlist(job$bare)) || !setequal(names(all)[!bare], unlist(job$options))) {
      listed <- paste(names(all), collapse = ", ")
      stop(sprintf("once the file has run, `%s` takes other arguments than it declares: %s", job$name, listed), call. = FALSE)
    }
  }

  context <- function(job) {
    about <- job$context
    asked <- 0
    about$sql <- function(sql, frame = "data.frame") {
      if (!is.character(sql) || length(sql) != 1 || is.na(sql)) stop("`context$sql()` takes one text")
      asked <<- asked + 1
      answer(kind = "ask", sql = sql, number = asked, frame = frame)
      reply <- next_command()
      if (!is.null(reply$error)) stop(reply$error, call. = FALSE)
      frames$read_frame(reply)
    }
    about$env <- function(name) {
      if (!name %in% names(job$env)) stop(sprintf("`%s` is no name that the file gives to `context$env()` as text", name))
      job$env[[name]]
    }
    about$log <- function(...) message(...)
    about
  }

  called <- function(job, inputs) {
    found <- defined(job)
    check_formals(found, job)
    here <- new.env(parent = globalenv())
    given <- c(inputs, job$values)
    if (job$takes_context) given$context <- context(job)
    for (name in names(given)) assign(name, given[[name]], here)
    arguments <- structure(lapply(names(given), as.name), names = names(given))
    eval(as.call(c(list(as.name(job$name)), arguments)), here)
  }

  verdict <- function(value) {
    if (is.data.frame(value)) return(frames$sampled(value))
    if (is.null(value)) return(list(failing = 0))
    if (is.logical(value) && length(value) == 1 && !is.na(value)) return(list(failing = as.integer(!value)))
    what <- if (identical(value, NA)) "NA" else frames$described(value)
    frames$refuse(sprintf("an assertion gives nothing, TRUE, FALSE, or a data.frame of the rows that fail; this gives %s", what))
  }

  run <- function(job) {
    restore(job)
    inputs <- lapply(job$inputs, frames$read_frame)
    value <- guarded(called(job, inputs), job$path)
    if (inherits(value, "told")) return(c(list(kind = "error"), unclass(value)))
    result <- tryCatch(
      if (job$checks) verdict(value) else frames$write_frame(value, job$output, job$chunk),
      refused = function(refusal) list(refused = conditionMessage(refusal), hint = refusal$hint)
    )
    c(list(kind = if (is.null(result$refused)) "done" else "refused"), result)
  }

  answer(kind = "ready", version = paste(R.version$major, R.version$minor, sep = "."), bit64 = frames$has("bit64"))
  repeat {
    job <- next_command()
    reply <- tryCatch(run(job), error = function(problem) list(kind = "refused", refused = conditionMessage(problem), hint = ""))
    tidy(job$mark)
    do.call(answer, reply)
    if (job$large || isTRUE(reply$rows * length(reply$columns) > 1e6)) {
      rm(reply)
      gc()
    }
  }
})
