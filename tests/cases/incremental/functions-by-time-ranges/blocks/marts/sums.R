#' ---
#' materialize: incremental
#' strategy: time_range
#' time_column: day
#' interval: day
#' start: "2026-01-01"
#' end: "2026-01-05"
#' ---
sums <- function(loads, context) {
  cat("from", format(context$start), "to", format(context$end), "\n")
  loads[loads$day >= as.Date(context$start) & loads$day < as.Date(context$end), ]
}
