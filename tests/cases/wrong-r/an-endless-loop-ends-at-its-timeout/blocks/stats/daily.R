#' ---
#' timeout: 1s
#' ---
daily <- function(marts__numbers) repeat {}
