#' ---
#' descripton: Daily.
#' ---
daily <- function(marts__numbers) marts__numbers
