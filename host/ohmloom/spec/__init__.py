"""The one source: chip specs, parts, commands, registers, policies and the integers the controller computes in."""

from ohmloom.spec.chip import ChipSpec, chip_names, load_chip
from ohmloom.spec.policy import Policy, load_policy, policy_names

__all__ = ["ChipSpec", "Policy", "chip_names", "load_chip", "load_policy", "policy_names"]
