"""How often which mistake is made when a facility writes a person down."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ErrorRates"]


@dataclass(frozen=True)
class ErrorRates:
    """Shares between 0 and 1. The defaults are guesses of what hospitals deliver, not measurements: vary them.

    Nobody may tune the matching to one setting. With the defaults about 30% of the records have no national id.
    """

    # the record itself
    duplicate_record: float = 0.02  #: encounters booked under a second patient number of the same facility
    second_writing: float = 0.06  #: records whose identity is written anew half-way through the period
    # national id
    no_id_adult: float = 0.25
    no_id_child: float = 0.62  #: under 14
    no_id_newborn: float = 0.88
    parent_id_on_child: float = 0.10  #: a guardian's number on a child
    mother_id_on_newborn: float = 0.33
    old_cmnd: float = 0.05  #: the nine-digit number, where the person had one
    relative_id: float = 0.003  #: an adult with another household member's number
    id_typo: float = 0.004
    id_lost_zero: float = 0.004  #: a spreadsheet ate the leading zero
    id_placeholder: float = 0.006
    passport: float = 0.002
    # insurance card
    no_card: float = 0.28
    two_cards: float = 0.03
    card_typo: float = 0.003
    temporary_card: float = 0.6  #: newborns with a temporary TE1 card
    # name
    name_plain: float = 0.015  #: no diacritics, beyond the facilities that never write them
    name_upper: float = 0.02
    name_other_tone: float = 0.05  #: hòa where the facility writes hoà
    name_typo: float = 0.010
    name_misheard: float = 0.008  #: s/x, ch/tr, d/gi, l/n, y/i, n/ng
    name_no_middle: float = 0.012
    name_no_thi: float = 0.04  #: of those that have Thị
    name_swapped: float = 0.006  #: given name first
    name_spaces: float = 0.01
    name_unknown: float = 0.001
    newborn_under_parent: float = 0.88
    # birth date
    birth_year_only_old: float = 0.18  #: born before 1970
    birth_year_only: float = 0.015
    birth_first_january: float = 0.02
    birth_month_only: float = 0.003
    birth_swapped: float = 0.008  #: day and month
    birth_typo: float = 0.007
    birth_missing: float = 0.003
    # sex
    sex_wrong: float = 0.003
    sex_missing: float = 0.01
    # phone
    no_phone: float = 0.2
    relative_phone: float = 0.10
    phone_changed: float = 0.05
    phone_typo: float = 0.008
    phone_placeholder: float = 0.008
    phone_decorated: float = 0.06  #: +84, dots, spaces
    # home
    no_province: float = 0.05
    no_address: float = 0.12
    moved: float = 0.04
    other_places: float = 0.1  #: communes of before or after the merger, against the facility's habit
