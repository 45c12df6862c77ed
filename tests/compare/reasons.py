"""Why verdicts differ, written by hand: one entry for a scanner, a set of servers and a verdict."""

import re

# (scanner, servers, versions, verdict, why); the first that matches counts.
REASONS = []


def reason_of(tool, row):
    for scanner, servers, versions, verdict, why in REASONS:
        if (
            scanner == tool
            and re.search(servers, row["server"])
            and re.search(versions, row["version"])
            and verdict == row[tool]
        ):
            return why
    return None
