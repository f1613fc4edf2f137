daily <- function(marts__numbers) marts__numbers

#' @assertion
#' name: few rows
few <- function(output) {
  stopifnot("at most two rows" = nrow(output) <= 2)
}
