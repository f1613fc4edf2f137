deep <- function(frame, number) {
  stopifnot(is.data.frame(frame))
  frame$nope + log(-number, base = "e")
}
