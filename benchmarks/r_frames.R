# data.table's fwrite and fread of the frame that the benchmark made: `Rscript r_frames.R frame.rds frame.csv THREADS`.
given <- commandArgs(TRUE)
data.table::setDTthreads(as.integer(given[[3]]))
frame <- readRDS(given[[1]])
started <- proc.time()
data.table::fwrite(frame, given[[2]])
written <- proc.time()
back <- data.table::fread(given[[2]], na.strings = "")
read <- proc.time()
for (step in list(list("fwrite", written - started), list("fread", read - written))) {
  cat(sprintf("%s %.1f s, CPU %.1f s\n", step[[1]], step[[2]][["elapsed"]], sum(step[[2]][1:2])))
}
changed <- vapply(names(frame), function(name) {
  if (!identical(class(back[[name]]), class(frame[[name]]))) return(nrow(frame))
  sum(!mapply(identical, head(frame[[name]], 1e5), head(back[[name]], 1e5)))
}, 0)
cat("values changed, of the first 100,000 or of all where the type is another:", paste(names(changed), changed, collapse = ", "), "\n")
