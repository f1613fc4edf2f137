daily <- function(marts__numbers) {
  x <- 1 1
}
