"""Whole jobs, run for real: data, training, compiling, programming, inference, results.

`pipeline` holds the steps that all demos share; each demo is a small class beside it that brings its data and pictures.
"""
