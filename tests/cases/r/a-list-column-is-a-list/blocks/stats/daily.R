daily <- function(marts__numbers) {
  marts__numbers$letters <- strsplit(marts__numbers$name, "")
  marts__numbers$square <- data.frame(of = marts__numbers$id, is = marts__numbers$id^2)
  marts__numbers
}
