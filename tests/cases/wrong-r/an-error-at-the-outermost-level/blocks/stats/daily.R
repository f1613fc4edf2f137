limit <- log("a")
daily <- function(marts__numbers) marts__numbers
