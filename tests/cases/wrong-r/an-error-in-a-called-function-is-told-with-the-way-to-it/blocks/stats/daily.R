source("lib/deep.R")

daily <- function(marts__numbers) {
  worked <- lapply(1:2, function(number) {
    deep(marts__numbers, number)
  })
  worked[[1]]
}
