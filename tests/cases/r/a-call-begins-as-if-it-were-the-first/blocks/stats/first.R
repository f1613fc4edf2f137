library(splines)
left <- 1
first <- function(marts__numbers) { options(digits = 3); Sys.setenv(LEFT = "x"); setwd(tempdir()); marts__numbers }
