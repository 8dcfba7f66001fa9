#!/usr/bin/env python3
"""Prints 17,862 planning decisions of a place that does not exist, in the fields and sizes of a real register, for runs at that scale.

Always the same ones: the seed is fixed. As in the real register, one reference occurs twice, with different dates of decision.
"""
import datetime
import json
import random

COUNT = 17_862
WORKS = [
    "Erection of {size} {thing}", "Alterations and erection of {size} {thing}", "Conversion of {old} to {thing}",
    "Replacement of {old} by {size} {thing}", "Approval in principle for the erection of {size} {thing}",
    "Variation of condition {number} of approved PA {ref} to allow {size} {thing}", "Installation of {part} to {old}",
    "Demolition of {old} and erection of {size} {thing} with associated {extra}", "Change of use from {old} to {thing}",
    "Extension to {old} to provide {thing}, including {extra} and {part}",
]
SIZES = ["a single-storey", "a two-storey", "a detached", "an attached", "an oak-framed", "a replacement", "a timber-framed"]
THINGS = ["dwelling", "garage", "sun lounge", "agricultural building", "tourist unit", "stable block", "workshop", "conservatory",
          "boat store", "ancillary accommodation", "café with terrace", "home office", "retail unit", "polytunnel"]
OLD = ["existing barn", "redundant chapel", "former shop", "outbuilding", "flat-roofed annexe", "public house", "garden store",
       "dwelling", "telephone exchange", "warehouse", "lean-to", "mill"]
PARTS = ["solar panels", "replacement windows", "a flue", "dormer windows", "an air-source heat pump", "rooflights", "external cladding"]
EXTRAS = ["parking", "landscaping", "drainage works", "vehicular access", "boundary walls", "re-grading of levels"]
HOUSES = ["Gorse", "Heron", "Thorn", "Mill", "Sea", "Bank", "Raven", "Lathe", "Orchard", "Cliff", "Moor", "Ferry", "Kirk", "Brae"]
ENDINGS = ["Cottage", "House", "Farm", "View", "Lodge", "Croft", "Villa", "Rise"]
ROADS = ["Shore Road", "Tolbooth Wynd", "Station Road", "Moss Road", "Church Brae", "Harbour Parade", "Kiln Lane", "Market Cross",
         "Lime Avenue", "Foundry Row", "Dunes Road", "Quay Street"]
TOWNS = [("Eskmouth", "EM"), ("Upper Thirlby", "UT"), ("Cold Lathe", "CL"), ("Penhallow Green", "PG"), ("Sandend", "SE")]
OUTCOMES = [("Permitted", 878), ("Refused", 82), ("Application Withdrawn", 26), ("Certificate of Lawfulness AGREED", 10), ("Split Decision", 4)]
BODIES = [("Head of Development Management", 40), ("Planning Committee", 25), ("Senior Planning Officer - South", 20),
          ("Director Delegation", 10), ("Department Application", 5)]


def pick(random_, weighted):
    return random_.choices([name for name, _ in weighted], [weight for _, weight in weighted])[0]


def decision(random_, number, year):
    town, code = random_.choice(TOWNS)
    decided = datetime.date(year, 1, 4) + datetime.timedelta(days=random_.randrange(358))
    work = random_.choice(WORKS).format(
        size=random_.choice(SIZES), thing=random_.choice(THINGS), old=random_.choice(OLD), part=random_.choice(PARTS),
        extra=random_.choice(EXTRAS), number=random_.randint(1, 14), ref=f"{random_.randint(1, year % 100 - 1):02}/{random_.randint(1, 1800):05}/B")
    house = f"{random_.choice(HOUSES)} {random_.choice(ENDINGS)}" if random_.random() < 0.6 else str(random_.randint(1, 180))
    return {
        "application_ref": f"{year % 100:02}/{number:05}/{random_.choice('AABBBBCDG')}",
        "proposal": work,
        "address": f"{house} {random_.choice(ROADS)} {town} {code}{random_.randint(1, 9)} {random_.randint(1, 9)}{''.join(random_.choices('ABDEFGHJLN', k=2))}",
        "decision": pick(random_, OUTCOMES),
        "determining_body": pick(random_, BODIES),
        "decision_date": decided.isoformat(),
        "source_year": year,
    }


def main():
    random_ = random.Random("acta: 17862 decisions")
    per_year = -(-(COUNT - 1) // 13)
    decisions = [decision(random_, at % per_year + 1, 2011 + at // per_year) for at in range(COUNT - 1)]
    again = dict(random_.choice(decisions))
    again["decision_date"] = f"{again['source_year'] + 1}-07-27"
    decisions.insert(random_.randrange(COUNT), again)
    for each in decisions:
        print(json.dumps(each, ensure_ascii=False))


main()
