"""CONTRACT §4, sentence by sentence, as little tables. Read them beside the contract."""

CASES: dict[str, dict[str, str]] = {}


def case(sentence: str, **tables: str) -> None:
    assert sentence not in CASES
    CASES[sentence] = tables


# -- 1: who and when -------------------------------------------------------------------------------------------------
case(
    "another facility's result is scope elsewhere, one's own is same_facility",
    lines="""
order  facility  ordered
p      A         1T08:00
q      B         1T12:00
r      B         1T15:00
""",
    flags="""
order  scope          verdict    prior
q      elsewhere      avoidable  p
r      elsewhere      avoidable  p
r      same_facility  avoidable  q
""",
)
case(
    "only the same person's lines are looked at",
    lines="""
order  facility  person  ordered
p      A         one     1T08:00
q      B         two     1T12:00
""",
    flags="order scope verdict prior",
)
case(
    "a cancelled or rejected prior is none",
    lines="""
order  facility  ordered  status
p      A         1T08:00  cancelled
q      A         1T09:00  rejected
r      B         1T12:00  final
""",
    flags="order scope verdict prior",
)
case(
    "a cancelled or rejected order is not judged",
    lines="""
order  facility  ordered  status
p      A         1T08:00  final
q      B         1T12:00  cancelled
r      B         1T13:00  rejected
""",
    flags="order scope verdict prior",
)
case(
    "the prior was collected before the order, not at the same minute",
    lines="""
order  facility  ordered  collected  resulted
p      A         1T08:00  1T12:00    1T12:00
q      B         1T12:00  1T12:30    1T13:00
r      C         1T12:01  1T12:31    1T13:00
""",
    flags="""
order  scope      verdict    prior
r      elsewhere  avoidable  p
""",
)
case(
    "without a collection time the result's stands for it, and without that the order's",
    lines="""
order  facility  ordered  collected  resulted
p      A         1T08:00  -          1T12:00
q      B         1T11:00  1T11:30    1T13:00
r      C         1T12:30  1T12:40    1T14:00
s      D         1T14:00  -          -
t      E         1T14:01  1T14:10    1T15:00
""",
    flags="""
order  scope      verdict    prior
r      elsewhere  avoidable  p
s      elsewhere  avoidable  r
t      elsewhere  avoidable  r
""",
)
# -- 2: cover --------------------------------------------------------------------------------------------------------
case(
    "another test does not cover",
    lines="""
order  facility  test     ordered
p      A         glucose  1T08:00
q      B         hgb      1T12:00
""",
    flags="order scope verdict prior",
)
case(
    "a panel covers its required components",
    lines="""
order  facility  test  ordered
p      A         cbc   1T08:00
q      B         hgb   1T12:00
""",
    flags="""
order  scope      verdict    prior  prior_test_id  coverage
q      elsewhere  avoidable  p      cbc            panel
""",
)
case(
    "a panel does not cover a component that is not required",
    panels="""
test_id  component_id  required
cbc      hgb           true
cbc      plt           false
""",
    lines="""
order  facility  test  ordered
p      A         cbc   1T08:00
q      B         plt   1T12:00
""",
    flags="order scope verdict prior",
)
case(
    "specimens must be equal",
    lines="""
order  facility  ordered  specimen
p      A         1T08:00  csf
q      B         1T12:00  -
""",
    flags="order scope verdict prior",
)
case(
    "an unknown specimen makes it at best review",
    lines="""
order  facility  test     ordered  specimen
p      A         culture  1T08:00  sputum
q      B         culture  1T12:00  -
""",
    flags="""
order  scope      verdict  reason            prior
q      elsewhere  review   specimen_unknown  p
""",
)
case(
    "a line's specimen is its own, else the catalogue's for its test",
    lines="""
order  facility  ordered  specimen
p      A         1T08:00  blood
q      B         1T12:00  -
""",
    flags="""
order  scope      verdict    prior
q      elsewhere  avoidable  p
""",
)
case(
    "for a component of the order it is the component's",
    tests="""
test_id  discipline   specimen  class    price_vnd
hgb      haematology  blood     routine  10000
plt      haematology  citrate   routine  12000
cbc      haematology  -         routine  40000
""",
    validity="""
profile  test_id  setting  valid_hours  condition  valid_from  valid_to  rule_id
p        *        -        24           -          -           -         all
""",
    lines="""
order  facility  test  ordered
p      A         hgb   1T08:00
q      A         plt   1T08:00
r      B         cbc   1T12:00
""",
    flags="""
order  scope      verdict    prior  coverage
r      elsewhere  avoidable  p      components
""",
)
case(
    "a code that is not in the catalogue is never flagged",
    lines="""
order  facility  test  ordered
p      A         -     1T08:00
q      B         -     1T12:00
""",
    flags="order scope verdict prior",
)
# -- 3: validity -----------------------------------------------------------------------------------------------------
case(
    "valid to the minute, counted from the prior's collection",
    lines="""
order  facility  ordered  collected  resulted
p      A         1T08:00  1T08:10    1T09:00
q      B         2T08:10  2T10:00    2T11:00
r      C         2T08:11  2T10:01    2T11:00
""",
    flags="""
order  scope      verdict    prior  until
q      elsewhere  avoidable  p      2T08:10
""",
)
case(
    "no rule: never flagged",
    lines="""
order  facility  test        ordered
p      A         ungoverned  1T08:00
q      B         ungoverned  1T12:00
""",
    flags="order scope verdict prior",
)
case(
    "test before discipline, setting before any",
    lines="""
order  facility  test     ordered  setting
p      A         glucose  1T08:00  -
q      B         glucose  1T19:00  inpatient
r      B         glucose  1T21:00  inpatient
s      B         glucose  2T06:00  outpatient
""",
    flags="""
order  scope          verdict    prior  rule_id
q      elsewhere      avoidable  p      b-ward
r      same_facility  avoidable  q      b-ward
s      elsewhere      avoidable  p      b-day
s      same_facility  avoidable  r      b-day
""",
)
case(
    "latest valid_from, then smallest rule_id; dates are inclusive",
    validity="""
profile  test_id  setting  valid_hours  condition  valid_from  valid_to    rule_id
p        *        -        1            -          -           -           oldest
p        *        -        100          -          2026-03-02  2026-03-02  newer-b
p        *        -        100          -          2026-03-02  2026-03-02  newer-a
p        *        -        2            -          2026-03-01  -           older
q        *        -        999          -          2026-03-02  -           another-profile
""",
    lines="""
order  facility  ordered
p      A         1T08:00
q      B         2T00:00
r      A         2T23:59
s      D         4T00:00
""",
    flags="""
order  scope          verdict    prior  rule_id
q      elsewhere      avoidable  p      newer-a
r      elsewhere      avoidable  q      newer-a
r      same_facility  avoidable  p      newer-a
""",
)
case(
    "lifetime never ends, 0 never reuses",
    validity="""
profile  test_id  setting  valid_hours  condition  valid_from  valid_to  rule_id
p        hgb      -        lifetime     -          -           -         once
p        plt      -        0            -          -           -         never
""",
    lines="""
order  facility  test  ordered
p      A         hgb   1T08:00
q      A         plt   1T08:00
r      B         hgb   30T08:00
s      B         plt   1T10:00
""",
    flags="""
order  scope      verdict    prior  until
r      elsewhere  avoidable  p      -
""",
)
case(
    "positive_only: the prior's own flag must be POS",
    lines="""
order  facility  test   ordered  flag
p      A         hbsag  1T08:00  POS
q      A         hbsag  2T08:00  NEG
r      B         hbsag  5T08:00  -
""",
    flags="""
order  scope          verdict    prior
q      same_facility  avoidable  p
r      elsewhere      avoidable  p
""",
)
case(
    "normal_only: N or NEG; the rule is chosen first and no other takes its place",
    validity="""
profile  test_id                 setting  valid_hours  condition    valid_from  valid_to  rule_id
p        hgb                     -        24           normal_only  -           -         strict
p        discipline:haematology  -        24           -            -           -         lax
""",
    lines="""
order  facility  ordered  flag
p      A         1T08:00  N
q      A         1T10:00  H
r      B         1T12:00  -
""",
    flags="""
order  scope          verdict    prior
q      same_facility  avoidable  p
r      elsewhere      avoidable  p
""",
)
# -- 4: not the same act ---------------------------------------------------------------------------------------------
case(
    "one specimen booked twice by one laboratory is no repeat: at most five minutes apart",
    lines="""
order  facility  ordered  collected  resulted  performed_by
p      A         1T08:00  1T08:00    1T08:03   -
q      B         1T08:04  1T08:05    1T09:00   A
r      B         1T08:04  1T08:06    1T09:00   A
s      B         1T08:04  1T08:05    1T09:00   B
""",
    flags="""
order  scope      verdict    prior
r      elsewhere  avoidable  p
s      elsewhere  avoidable  p
""",
)
# -- verdicts --------------------------------------------------------------------------------------------------------
case(
    "pending: no result yet when the new order was placed",
    lines="""
order  facility  ordered  resulted  status
p      A         1T08:00  1T12:01   final
q      B         1T12:00  1T13:00   final
""",
    flags="""
order  scope      verdict  reason         prior  saves
q      elsewhere  pending  no_result_yet  p      0
""",
)
case(
    "a result at the very minute of the order was there",
    lines="""
order  facility  ordered  resulted
p      A         1T08:00  1T12:00
q      B         1T12:00  1T13:00
""",
    flags="""
order  scope      verdict    prior
q      elsewhere  avoidable  p
""",
)
case(
    "pending: preliminary is no result, and neither is a status without one",
    lines="""
order  facility  ordered  resulted  status
p      A         1T08:00  1T09:00   preliminary
q      A         1T08:30  -         final
r      B         1T12:00  1T13:00   corrected
""",
    flags="""
order  scope          verdict  prior
q      same_facility  pending  p
r      elsewhere      pending  q
""",
)
case(
    "unrecognised: a lower level need not be accepted, a higher or equal one must",
    register="""
facility  level  iso
A         2      false
B         3      false
C         2      false
""",
    lines="""
order  facility  ordered
p      A         1T08:00
q      B         1T12:00
r      C         1T12:00
""",
    flags="""
order  scope      verdict       reason              prior
q      elsewhere  unrecognised  lab_not_recognised  p
r      elsewhere  avoidable     valid_result        p
""",
)
case(
    "recognition: ISO 15189, one's own laboratory, and a lapsed level, each on the day of the order",
    register="""
facility  level  iso    from        to
A         3      false  -           2026-03-01
B         1      false  -           -
I         -      true   -           -
N         -      false  -           -
""",
    lines="""
order  facility  ordered  performed_by  person
p      A         1T08:00  -             lapse
q      B         1T23:00  -             lapse
r      B         2T00:30  -             lapse2
s      A         1T10:00  -             lapse2
t      I         1T08:00  -             iso
u      B         1T12:00  -             iso
v      A         1T08:00  B             own
w      B         1T12:00  -             own
x      N         1T08:00  -             unknown
y      N         1T09:00  N             unknown2
z      B         1T12:00  -             unknown
""",
    flags="""
order  scope      verdict       prior
q      elsewhere  avoidable     p
r      elsewhere  unrecognised  s
u      elsewhere  avoidable     t
w      elsewhere  avoidable     v
z      elsewhere  unrecognised  x
""",
)
case(
    "level 0 is not recognised even by a facility without a level",
    register="""
facility  level  iso
A         0      false
B         -      false
""",
    lines="""
order  facility  ordered
p      A         1T08:00
q      B         1T12:00
""",
    flags="""
order  scope      verdict       prior
q      elsewhere  unrecognised  p
""",
)
case(
    "within one's own facility recognition is no question",
    register="""
facility  level  iso
A         0      false
""",
    lines="""
order  facility  ordered
p      A         1T08:00
q      A         1T12:00
""",
    flags="""
order  scope          verdict    prior
q      same_facility  avoidable  p
""",
)
case(
    "no register: every laboratory is accepted",
    lines="""
order  facility  ordered
p      A         1T08:00
q      B         1T12:00
""",
    flags="""
order  scope      verdict    reason        saves
q      elsewhere  avoidable  valid_result  10000
""",
)
case(
    "justified: the order carries a reason, which is the flag's, before any exemption's",
    exemptions="""
reason  verdict    setting    rule_id  valid_from  valid_to
acute   justified  emergency  e1       -           -
""",
    lines="""
order  facility  ordered  order_reason     setting
p      A         1T08:00  -                -
q      B         1T12:00  clinical_change  emergency
""",
    flags="""
order  scope      verdict    reason           saves
q      elsewhere  justified  clinical_change  0
""",
)
case(
    "exemption: filled cells must all hold, blank means any; justified before review; smallest rule_id",
    exemptions="""
reason  verdict    discipline    setting    rule_id  valid_from  valid_to
never   justified  biochemistry  -          e0       -           -
acute2  justified  -             emergency  e2       -           -
acute1  justified  haematology   emergency  e1       -           -
look    review     -             -          d0       -           -
""",
    lines="""
order  facility  ordered  setting
p      A         1T08:00  -
q      B         1T12:00  emergency
r      C         1T12:05  outpatient
""",
    flags="""
order  scope      verdict    reason  prior
q      elsewhere  justified  acute1  p
r      elsewhere  review     look    p
""",
)
case(
    "exemption on the prior's flag: critical is HH, LL, AA; abnormal those and H, L, A",
    exemptions="""
reason    verdict    prior_flag  rule_id  valid_from  valid_to
critical  justified  critical    e1       -           -
abnormal  review     abnormal    e2       -           -
""",
    lines="""
order  facility  ordered  flag  person
p      A         1T08:00  HH    one
q      B         1T12:00  -     one
r      A         1T08:00  L     two
s      B         1T12:00  -     two
t      A         1T08:00  POS   three
u      B         1T12:00  -     three
""",
    flags="""
order  scope      verdict    reason
q      elsewhere  justified  critical
s      elsewhere  review     abnormal
u      elsewhere  avoidable  valid_result
""",
)
case(
    "exemption on age: the patient's at the order; an unknown birth date is no age",
    exemptions="""
reason   verdict    max_age_days  rule_id  valid_from  valid_to
newborn  justified  28            e1       -           -
""",
    lines="""
order  facility  ordered  born        person
p      A         1T08:00  2026-02-01  one
q      B         1T12:00  2026-02-01  one
r      A         1T08:00  2026-01-31  two
s      B         1T12:00  2026-01-31  two
t      A         1T08:00  -           three
u      B         1T12:00  -           three
""",
    flags="""
order  scope      verdict    reason
q      elsewhere  justified  newborn
s      elsewhere  avoidable  valid_result
u      elsewhere  avoidable  valid_result
""",
)
case(
    "the strongest verdict, then the latest collection",
    lines="""
order  facility  ordered  resulted
p      A         1T08:00  1T09:00
q      A         1T09:00  1T10:00
r      A         1T10:00  1T20:00
s      B         1T12:00  1T13:00
""",
    flags="""
order  scope          verdict    prior
q      same_facility  avoidable  p
r      same_facility  avoidable  q
s      elsewhere      avoidable  q
""",
)
case(
    "among equals the smallest key: facility, order by code point, line as a number",
    lines="""
order  line  facility  ordered  person
Z      1     A         1T08:00  one
a      1     A         1T08:00  one
10     2     A         1T08:00  one
10     10    A         1T08:00  one
9      1     B         1T08:00  one
q      1     C         1T12:00  one
""",
    flags="""
order  scope      verdict    prior  prior_line_no
q      elsewhere  avoidable  10     2
""",
)
# -- panels ----------------------------------------------------------------------------------------------------------
case(
    "a panel is covered directly by the same panel, and on a tie the direct verdict stands",
    lines="""
order  facility  test  ordered
p      A         cbc   1T08:00
q      A         hgb   1T09:30
r      A         plt   1T09:30
s      B         cbc   1T12:00
""",
    flags="""
order  scope          verdict    prior  coverage
q      same_facility  avoidable  p      panel
r      same_facility  avoidable  p      panel
s      elsewhere      avoidable  p      same
""",
)
case(
    "by components, all covered: the weakest verdict; evidence is the component that expires first",
    lines="""
order  facility  test  ordered  resulted
p      A         hgb   1T08:00  1T09:00
q      A         plt   1T09:00  1T23:00
r      B         cbc   1T12:00  1T13:00
""",
    flags="""
order  scope      verdict  reason         prior  coverage
r      elsewhere  pending  no_result_yet  p      components
""",
)
case(
    "by components, some covered: avoidable becomes review",
    lines="""
order  facility  test  ordered
p      A         hgb   1T08:00
q      B         cbc   1T12:00
""",
    flags="""
order  scope      verdict  reason         prior  coverage  saves
q      elsewhere  review   partial_panel  p      partial   0
""",
)
case(
    "some covered, the weakest not avoidable: it stays",
    lines="""
order  facility  test  ordered  resulted
p      A         hgb   1T08:00  1T20:00
q      B         cbc   1T12:00  1T13:00
""",
    flags="""
order  scope      verdict  reason         coverage
q      elsewhere  pending  no_result_yet  partial
""",
)
case(
    "a component without a rule, or with 0, is not covered and still counts",
    validity="""
profile  test_id  setting  valid_hours  condition  valid_from  valid_to  rule_id
p        hgb      -        24           -          -           -         h
p        plt      -        0            -          -           -         never
""",
    lines="""
order  facility  test  ordered
p      A         hgb   1T08:00
q      A         plt   1T08:00
r      B         cbc   1T12:00
""",
    flags="""
order  scope      verdict  coverage
r      elsewhere  review   partial
""",
)
case(
    "a component has its own rule and exemptions, and may be covered by the same panel",
    validity="""
profile  test_id  setting  valid_hours  condition  valid_from  valid_to  rule_id
p        cbc      -        2            -          -           -         panel-short
p        hgb      -        24           -          -           -         h
p        plt      -        12           -          -           -         t
""",
    exemptions="""
reason  verdict    test_id  rule_id  valid_from  valid_to
bleeds  justified  plt      e1       -           -
""",
    lines="""
order  facility  test  ordered
p      A         cbc   1T08:00
q      B         cbc   1T12:00
""",
    flags="""
order  scope      verdict    reason  prior  coverage    rule_id  until
q      elsewhere  justified  bleeds  p      components  t        1T20:10
""",
)
case(
    "of components whose results serve for a lifetime none expires before another: the smallest key",
    validity="""
profile  test_id  setting  valid_hours  condition  valid_from  valid_to  rule_id
p        cbc      -        0            -          -           -         never
p        hgb      -        lifetime     -          -           -         h
p        plt      -        lifetime     -          -           -         t
""",
    lines="""
order  facility  test  ordered
q      A         plt   1T09:00
z      A         hgb   1T08:00
zz     B         cbc   2T12:00
""",
    flags="""
order  scope      verdict    prior  coverage    rule_id  until
zz     elsewhere  avoidable  q      components  t        -
""",
)
case(
    "the stronger of the direct verdict and the one by components stands",
    lines="""
order  facility  test  ordered  resulted
p      A         cbc   1T11:00  1T20:00
q      A         hgb   1T08:00  1T09:00
r      A         plt   1T08:00  1T09:00
s      B         cbc   1T12:00  1T13:00
""",
    flags="""
order  scope          verdict    prior  coverage
p      same_facility  avoidable  q      components
s      elsewhere      avoidable  q      components
""",
)
# -- 4.5: chains -----------------------------------------------------------------------------------------------------
case(
    "chain: the second repeat still had the first result, the third had not",
    lines="""
order  facility  ordered
p      A         1T08:00
q      B         1T20:00
r      C         2T08:00
s      D         2T18:00
""",
    flags="""
order  scope      verdict    prior  chain
q      elsewhere  avoidable  p      true
r      elsewhere  avoidable  q      true
s      elsewhere  avoidable  r      false
""",
)
case(
    "chain: only an avoidable order can be chain-avoidable, and only such are left out",
    lines="""
order  facility  ordered  order_reason
p      A         1T08:00  -
q      B         1T20:00  other
r      C         2T18:00  -
""",
    flags="""
order  scope      verdict    prior  chain
q      elsewhere  justified  p      false
r      elsewhere  avoidable  q      true
""",
)
case(
    "chain: a panel whose component is no longer covered is not",
    lines="""
order  facility  test  ordered
p      A         hgb   1T08:00
q      B         hgb   1T20:00
r      B         plt   2T06:00
s      C         cbc   2T18:00
""",
    flags="""
order  scope      verdict    prior  coverage    chain
q      elsewhere  avoidable  p      same        true
s      elsewhere  avoidable  q      components  false
""",
)
case(
    "chain: lines later in the walk stay available as priors",
    lines="""
order  facility  ordered  collected  resulted
r      C         1T12:00  1T12:30    1T14:00
x      A         1T12:01  1T12:05    1T12:20
q      B         1T12:40  1T10:00    1T11:00
""",
    flags="""
order  scope      verdict    prior  chain
r      elsewhere  avoidable  q      true
x      elsewhere  avoidable  q      true
q      elsewhere  avoidable  x      false
""",
)
# -- money -----------------------------------------------------------------------------------------------------------
case(
    "the price is the line's, else the catalogue's, and counts as saved only when avoidable",
    lines="""
order  facility  ordered  price  order_reason
p      A         1T08:00  -      -
q      B         1T12:00  9500   -
r      B         1T14:00  -      other
s      C         1T15:00  -      -
""",
    flags="""
order  scope          verdict    saves  price_vnd
q      elsewhere      avoidable  9500   9500
r      elsewhere      justified  0      10000
r      same_facility  justified  0      10000
s      elsewhere      avoidable  10000  10000
""",
)
