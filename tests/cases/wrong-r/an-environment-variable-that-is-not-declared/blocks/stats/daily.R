daily <- function(marts__numbers, context) context$env("TOKEN")
