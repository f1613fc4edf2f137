first <- function(marts__numbers) marts__numbers
second <- function(marts__numbers) marts__numbers
