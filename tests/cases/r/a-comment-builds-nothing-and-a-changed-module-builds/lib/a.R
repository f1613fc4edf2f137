one <- 1
