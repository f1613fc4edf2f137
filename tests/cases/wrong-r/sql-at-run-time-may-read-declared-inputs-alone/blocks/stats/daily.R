daily <- function(marts__numbers, context) {
  table <- "marts.other"
  context$sql(paste("select * from", table))
}
