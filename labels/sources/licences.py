"""Licences of labelled data sets, and whether a commercial artifact may be trained on them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """A data set's licence.

    `commercial` is our cautious reading: True only if the licence plainly permits commercial use of
    something made from the data. No licence stated, research-only, non-commercial, and copyleft whose
    reach over a trained model is unsettled all count as False.
    """

    name: str
    commercial: bool


CC0 = Licence("CC0 1.0", commercial=True)
CC0_TEXT_BY_SA = Licence("CC0 1.0 (text CC BY-SA 3.0)", commercial=True)
CC_BY = Licence("CC BY 4.0", commercial=True)
CC_BY_NC_SA = Licence("CC BY-NC-SA 4.0", commercial=False)
MIT = Licence("MIT", commercial=True)
MIT_LABELS = Licence("MIT (labels)", commercial=True)
BSD_3 = Licence("BSD-3-Clause", commercial=True)
APACHE_COLLECTION = Licence("Apache-2.0 (collection)", commercial=True)
GPL_3 = Licence("GPL-3.0 (replication files)", commercial=False)
TREATED_AS_NC = Licence("treated as non-commercial", commercial=False)
COMPETITION = Licence("competition rules", commercial=False)
RESEARCH = Licence("research use", commercial=False)
NONE_STATED = Licence("none stated", commercial=False)
OWN = Licence("the publisher's own", commercial=True)
