daily <- function(marts__numbers) marts__numbers

#' @assertion
odd <- function(output) nrow(output)
