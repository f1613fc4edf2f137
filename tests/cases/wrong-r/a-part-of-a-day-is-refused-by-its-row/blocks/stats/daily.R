daily <- function(marts__numbers) transform(marts__numbers, day = as.Date(x, origin = "2024-01-01"))
