scaled <- function(x, by) transform(x, y = x * by)
