# Prints each test of a JUnit file with its result: a line `NAME<tab>RESULT<tab>why`.
import sys
import xml.etree.ElementTree as xml

RANK = {"passed": 0, "skipped": 1, "failure": 2, "error": 3}
results = {}
for case in xml.parse(sys.argv[1]).iter("testcase"):
    result, why = "passed", ""
    for part in case:
        if RANK.get(part.tag, 0) > RANK[result]:
            result, why = part.tag, (part.text or "").strip().rpartition("\n")[2]
    # Tests that two modules have in common come twice: the worse counts.
    name = case.attrib["name"]
    results[name] = max(results.get(name, ("passed", "")), (result, why), key=lambda it: RANK[it[0]])
for name, (result, why) in sorted(results.items()):
    print(name, result, why, sep="\t")
