daily <- function(marts__numbers, context) {
  context$sql(paste("select nope from marts.numbers"))
}
