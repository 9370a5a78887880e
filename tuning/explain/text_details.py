"""Read the lines below a node's first one into the keys that EXPLAIN's JSON form has."""

import re
from typing import Any

_KEY = re.compile(r"^([A-Z][A-Za-z/()' -]*?): (.*)$")
_WORKER = re.compile(r"^Worker (\d+):\s+(.*)$")
_NUMBER = re.compile(r"^\d+(?:\.\d+)?$")
_SORT = re.compile(r"Sort Method: (.+?)  (Memory|Disk): (\d+)kB")
_PAIR = re.compile(r"(\w+)=(\d+(?:\.\d+)?)")
_BUCKETS = re.compile(
    r"Buckets: (\d+)(?: \(originally (\d+)\))?  Batches: (\d+)(?: \(originally (\d+)\))?  Memory Usage: (\d+)kB"
)
_HASHAGG = re.compile(
    r"(?:Planned Partitions: (\d+)  )?Batches: (\d+)  Memory Usage: (\d+)kB(?:  Disk Usage: (\d+)kB)?"
)
_FULL_SORT = re.compile(r"(Full-sort|Pre-sorted) Groups: (\d+)  Sort Methods?: (.*?)  (?=Average)")
_SPACE = re.compile(r"Average (Memory|Disk): (\d+)kB  Peak (?:Memory|Disk): (\d+)kB")
_STORAGE = re.compile(r"Storage: (\w+)  Maximum Storage: (\d+)kB")
_CACHE = re.compile(r"(Hits|Misses|Evictions|Overflows): (\d+)")
_LISTS = ("Output", "Sort Key", "Group Key", "Presorted Key", "Conflict Arbiter Indexes")
_BLOCK_KINDS = {"shared": "Shared", "local": "Local", "temp": "Temp"}
_COUNTS = {"hit": "Hit", "read": "Read", "dirtied": "Dirtied", "written": "Written"}
_WAL_PAIR = re.compile(r"([a-z]+(?: [a-z]+)*)=(\d+)")
_WAL = {"records": "WAL Records", "fpi": "WAL FPI", "bytes": "WAL Bytes", "buffers full": "WAL Buffers Full"}


def details(line: str) -> dict[str, Any]:
    """Read one line; empty where it tells nothing that is known."""
    if worker := _WORKER.match(line):
        inner = details(worker.group(2)) or _actual(worker.group(2))
        return {"Workers": [{"Worker Number": int(worker.group(1))} | inner]} if inner else {}
    for read in (_sort, _hash, _incremental, _storage, _cache):
        if found := read(line):
            return found
    match = _KEY.match(line)
    if match is None:
        return {}
    key, value = match.groups()
    match key:
        case "Buffers":
            return buffers(value)
        case "I/O Timings":
            return _timings(value)
        case "WAL":
            return {_WAL[name]: int(count) for name, count in _WAL_PAIR.findall(value) if name in _WAL}
        case "Heap Blocks":
            return {f"{name.capitalize()} Heap Blocks": int(count) for name, count in _PAIR.findall(value)}
        case "Tuples":
            return {f"Tuples {name.capitalize()}": int(count) for name, count in _PAIR.findall(value)}
        case "Order By" | "Filter" | "Index Cond" | "Join Filter":
            return {key: value}
    return _plain(key, value)


def _plain(key: str, value: str) -> dict[str, Any]:
    if key in _LISTS:
        return {key: _listed(value)}
    if _NUMBER.match(value):
        return {key: float(value) if "." in value else int(value)}
    if value in ("true", "false"):
        return {key: value == "true"}
    return {key: value}


def buffers(value: str) -> dict[str, int]:
    """Read ``shared hit=1 read=2, temp read=3 written=4``."""
    found: dict[str, int] = {}
    for part in value.split(","):
        kind, _, counts = part.strip().partition(" ")
        if kind in _BLOCK_KINDS:
            for name, count in _PAIR.findall(counts):
                if name in _COUNTS:
                    found[f"{_BLOCK_KINDS[kind]} {_COUNTS[name]} Blocks"] = int(float(count))
    return found


def _actual(text: str) -> dict[str, Any]:
    match = re.search(r"actual (?:time=([\d.]+)\.\.([\d.]+) )?rows=([\d.]+) loops=(\d+)", text)
    if match is None:
        return {}
    startup, total, rows, loops = match.groups()
    found: dict[str, Any] = {"Actual Rows": float(rows) if "." in rows else int(rows), "Actual Loops": int(loops)}
    return found | ({"Actual Startup Time": float(startup), "Actual Total Time": float(total)} if startup else {})


def _timings(value: str) -> dict[str, float]:
    """Read ``shared read=1.2 write=0.3``; before 15 the word shared was not printed."""
    found: dict[str, float] = {}
    for part in value.split(","):
        kind = part.strip().split(" ")[0]
        name = _BLOCK_KINDS.get(kind, "Shared")
        for action, ms in _PAIR.findall(part):
            found[f"{name} I/O {action.capitalize()} Time"] = float(ms)
    return found


def _sort(line: str) -> dict[str, Any]:
    match = _SORT.match(line)
    if match is None:
        return {}
    method, kind, size = match.groups()
    return {"Sort Method": method, "Sort Space Used": int(size), "Sort Space Type": kind}


def _hash(line: str) -> dict[str, Any]:
    if match := _BUCKETS.match(line):
        buckets, was_buckets, batches, was_batches, memory = match.groups()
        return {
            "Hash Buckets": int(buckets),
            "Original Hash Buckets": int(was_buckets or buckets),
            "Hash Batches": int(batches),
            "Original Hash Batches": int(was_batches or batches),
            "Peak Memory Usage": int(memory),
        }
    if match := _HASHAGG.match(line):
        partitions, batches, memory, disk = match.groups()
        found = {"HashAgg Batches": int(batches), "Peak Memory Usage": int(memory), "Disk Usage": int(disk or 0)}
        return found | ({"Planned Partitions": int(partitions)} if partitions else {})
    return {}


def _incremental(line: str) -> dict[str, Any]:
    match = _FULL_SORT.match(line)
    if match is None:
        return {}
    kind, count, methods = match.groups()
    group: dict[str, Any] = {
        "Group Count": int(count),
        "Sort Methods Used": [each.strip() for each in methods.split(",")],
    }
    for space, average, peak in _SPACE.findall(line):
        group[f"Sort Space {space}"] = {
            "Average Sort Space Used": int(average),
            "Peak Sort Space Used": int(peak),
        }
    return {f"{kind} Groups": group}


def _storage(line: str) -> dict[str, Any]:
    match = _STORAGE.match(line)
    return {"Storage": match.group(1), "Maximum Storage": int(match.group(2))} if match else {}


def _cache(line: str) -> dict[str, Any]:
    if not line.startswith("Hits: "):
        return {}
    found = {f"Cache {name}": int(count) for name, count in _CACHE.findall(line)}
    memory = re.search(r"Memory Usage: (\d+)kB", line)
    return found | ({"Peak Memory Usage": int(memory.group(1))} if memory else {})


def _listed(value: str) -> list[str]:
    """Cut an expression list at its commas, but not inside parentheses or quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for at, char in enumerate(value):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(value[start:at].strip())
            start = at + 1
    return [*parts, value[start:].strip()]
