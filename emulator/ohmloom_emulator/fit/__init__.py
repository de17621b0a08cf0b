"""Fitting a cell model to measurements of real devices: `ohmloom fit-device`.

`measurements` reads the CSV file, `trains` puts it in order, `models` lists what each model can be fitted in,
`response` predicts pulses and their uncertainty, `solve` fits and refuses, `held_out` judges, `device` does it all.
"""
