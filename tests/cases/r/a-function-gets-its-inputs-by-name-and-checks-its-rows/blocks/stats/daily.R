#' ---
#' description: Scaled numbers.
#' assert:
#'   - unique: id
#'   - y >= 0
#' ---
source("lib/scaling.R")

daily <- function(marts__numbers, factor = 2, context) {
  message("scaling by ", factor)
  count <- context$sql("select count(*)::integer as n from marts.numbers")
  transform(scaled(marts__numbers, factor), n = count$n)
}

#' @assertion
#' description: As many rows as there were.
same_rows <- function(output, marts__numbers) stopifnot(nrow(output) == nrow(marts__numbers))

#' @assertion
#' severity: warn
small <- function(output) output[output$y > 8, ]
