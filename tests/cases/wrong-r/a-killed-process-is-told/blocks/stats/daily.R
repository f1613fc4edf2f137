daily <- function(marts__numbers) tools::pskill(Sys.getpid(), 9)
