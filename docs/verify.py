#!/usr/bin/env python3
"""Verify a trail that `aex audit --export FILE` wrote: python3 verify.py FILE [LAST_HASH | HEAD]...

HEAD is the file `head` in the home of an aex that used the ledger, or a copy of
it: what was seen then must still be there. Needs nothing but Python. Prints what
it found and exits 1 at the first line that is not what was written.
docs/audit-format.md describes the lines.
"""
import hashlib, json, re, sys

def fail(number, why):
    sys.exit(f"line {number}: {why}")

last, seen = None, {}  # by ledger and number: what is known of an event from elsewhere
for name in sys.argv[2:]:
    if re.fullmatch("[0-9a-f]{64}", name):
        last = name
        continue
    for known in open(name, encoding="utf-8"):
        ledger, number, digest = known.split(" ")[:3]
        seen.setdefault(ledger, {}).setdefault(int(number), []).append((digest, name))

prev, seq, first, cost, folded = None, None, None, 0, None
for number, line in enumerate(open(sys.argv[1], "rb"), 1):
    line = line.rstrip(b"\n")
    if line[:9] != b'{"hash":"' or line[73:82] != b'","body":' or line[-1:] != b"}":
        fail(number, "not a line of an export")
    digest, body = line[9:73].decode(), line[82:-1]
    event = json.loads(body)
    if prev is None:  # the first line follows nothing, or what a checkpoint folded
        first = event
        prev, seq = (bytes(32), 0) if event["seq"] == 1 else (None, event["seq"] - 1)
    if prev is not None and hashlib.sha256(prev + body).hexdigest() != digest:
        fail(number, "the hash does not fit: this or the line before was changed")
    if event["seq"] != seq + 1 or (event["ledger"], event["chain"]) != (first["ledger"], first["chain"]):
        fail(number, "a line is missing, or is another ledger's")
    for known, name in seen.get(first["ledger"], {}).get(event["seq"], []):
        if known != digest:
            fail(number, f"event {event['seq']} is another than {name} has seen")
    if event.get("folded", {}).get("through") == first["seq"] - 1:
        folded = event["folded"]
    if event.get("accounts"):
        cost += event.get("cost_micro", 0)
    prev, seq = bytes.fromhex(digest), event["seq"]
if first is None:
    fail(0, "there are no events")
if first["seq"] != 1:
    if folded is None:
        fail(1, "the beginning is missing and no checkpoint tells of it")
    cost += folded["billed_micro"]
    opening = open(sys.argv[1], "rb").readline().rstrip(b"\n")
    if hashlib.sha256(bytes.fromhex(folded["hash"]) + opening[82:-1]).hexdigest() != opening[9:73].decode():
        fail(1, "does not follow what the checkpoint folded")
    for known, name in seen.get(first["ledger"], {}).get(folded["through"], []):
        if known != folded["hash"]:
            fail(1, f"event {folded['through']}, which a checkpoint folded, is another than {name} has seen")
if last not in (None, prev.hex()):
    fail(number, "the end is missing: the last hash is " + prev.hex())
if seen and first["ledger"] not in seen:
    sys.exit(f"none of the heads knows ledger {first['ledger']}")
for known in sorted(seen.get(first["ledger"], {})):
    if known > seq:
        fail(number, f"the end is missing: event {known} is one that {seen[first['ledger']][known][0][1]} has seen")
print(f"ok: events {first['seq']} to {seq} of ledger {first['ledger']}, {cost} micro-dollars, last hash {prev.hex()}")
