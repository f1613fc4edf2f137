"""The R runtime: reads blocks that are R functions, and runs them in processes of their own."""

from sqlflow_r.runtime import RRuntime

RUNTIME = RRuntime()
