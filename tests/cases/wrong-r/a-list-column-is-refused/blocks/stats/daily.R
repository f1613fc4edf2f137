daily <- function(marts__numbers) { marts__numbers$l <- strsplit(marts__numbers$name, ""); marts__numbers }
