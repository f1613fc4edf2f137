#' @frame marts__numbers polars
daily <- function(marts__numbers) marts__numbers
