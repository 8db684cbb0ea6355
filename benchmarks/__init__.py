"""Measurements, each a module to be run; what vizjax computes keeps its memory, as in the command line."""

import vizjax as vz

vz.keep_memory()
