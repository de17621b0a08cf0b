"""Why the chip is worse than the software: one cause of error at a time, on emulated chips.

`explain(demo_subject("digits", "lab-128x128x4"))` gives the loss of each cause, of their sum and of all together.
"""

from ohmloom.explain.losses import CAUSES, LABELS, Explanation, Loss, explain
from ohmloom.explain.subject import Subject, demo_subject, saved_subject

__all__ = [
    "CAUSES",
    "LABELS",
    "Explanation",
    "Loss",
    "Subject",
    "demo_subject",
    "explain",
    "saved_subject",
]
