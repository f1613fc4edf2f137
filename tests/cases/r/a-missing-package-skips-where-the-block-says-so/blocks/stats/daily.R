#' ---
#' requirements: [nopackage]
#' if_missing: skip
#' ---
daily <- function(marts__numbers) marts__numbers
