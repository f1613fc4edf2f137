daily <- function(marts__nested) marts__nested
