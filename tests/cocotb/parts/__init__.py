"""Pin-level models of the front end's parts, written from their data sheets.

Each is told the edges of its pins with their times, in ps, and raises Violation where a time of the data sheet is not
kept. They know neither cocotb nor the array: what a sample is worth, and what an update or a latch changes, others say.
"""

from parts.ad5628 import Ad5628
from parts.adg714 import Adg714Chains
from parts.ads7953 import Ads7953
from parts.pins import Violation

__all__ = ["Ad5628", "Adg714Chains", "Ads7953", "Violation"]
