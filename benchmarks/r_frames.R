# data.table's fread of a CSV file and fwrite of the frame: `Rscript r_frames.R THERE.csv BACK.csv THREADS`.
given <- commandArgs(TRUE)
data.table::setDTthreads(as.integer(given[[3]]))
started <- proc.time()
frame <- data.table::fread(given[[1]], na.strings = "")
read <- proc.time()
data.table::fwrite(frame, given[[2]])
written <- proc.time()
for (step in list(list("fread", read - started), list("fwrite", written - read))) {
  cat(sprintf("    %s %.1f s, CPU %.2f s\n", step[[1]], step[[2]][["elapsed"]], sum(step[[2]][1:2])))
}
