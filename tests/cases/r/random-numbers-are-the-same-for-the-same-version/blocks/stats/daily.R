daily <- function(marts__numbers, context) data.frame(same = isTRUE(all.equal(c(runif(1), 0), c({set.seed(context$seed); runif(1)}, 0))))
