daily <- function(marts__numbers) {
  warning("few rows")
  cat("a line\n")
  transform(marts__numbers, y = as.integer(c("1", "a", "3", "4")))
}
