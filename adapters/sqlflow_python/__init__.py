"""The Python runtime: reads blocks that are functions, and runs them in processes of their own."""

from sqlflow_python.runtime import PythonRuntime

RUNTIME = PythonRuntime()
