"""The command processor: checks every command against the spec, answers what needs no engine, hands jobs to the engines.

`isa` is its instruction set and assembler, `processor` the data path, `microcode` its program.
"""
