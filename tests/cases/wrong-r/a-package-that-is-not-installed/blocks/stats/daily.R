#' ---
#' requirements: [nopackage, 'data.table >= 99', '1x']
#' ---
library(nothere)
daily <- function(marts__numbers) marts__numbers
