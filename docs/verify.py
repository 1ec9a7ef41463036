#!/usr/bin/env python3
"""Verify a trail that `aex audit --export FILE` wrote: python3 verify.py FILE [LAST_HASH]

Needs nothing but Python. Prints what it found and exits 1 at the first line
that is not what was written. docs/audit-format.md describes the lines.
"""
import hashlib, json, sys

def fail(number, why):
    sys.exit(f"line {number}: {why}")

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
if len(sys.argv) > 2 and prev.hex() != sys.argv[2]:
    fail(number, "the end is missing: the last hash is " + prev.hex())
print(f"ok: events {first['seq']} to {seq} of ledger {first['ledger']}, {cost} micro-dollars, last hash {prev.hex()}")
