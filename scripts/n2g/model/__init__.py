"""A language model that can be queried: conversion, checkpoint, batching engine, vocabulary."""

import os

# Intel's matrix kernels choose by the number of rows and of threads in which order they add; in this mode, which is as
# fast, they do not. It is read when the first product is computed.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
