#' ---
#' memory_limit: 200MB
#' ---
daily <- function(marts__numbers) { x <- numeric(1e8) + 1; repeat {} }
