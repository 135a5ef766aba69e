#!/usr/bin/env python3
"""Adds 1 to a number in a file, TIMES times, while others may do the same: read, modify, write if the file is still what
was read; on 412 from the beginning, until it wins. No count is lost.

    requests-update-loop.py [URL [TIMES]]
"""

import os
import sys

import requests

url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("IFMATCH_URL", "http://127.0.0.1:8080")
times = int(sys.argv[2]) if len(sys.argv) > 2 else 10


def update(session, url, change):
    """Replaces the text at `url` by what `change` makes of it."""
    while True:
        current = session.get(url)
        current.raise_for_status()
        saved = session.put(url, data=change(current.text), headers={"If-Match": current.headers["ETag"]})
        if saved.status_code == 412:
            continue  # somebody else was faster: read again
        saved.raise_for_status()
        return


with requests.Session() as session:
    for _ in range(times):
        update(session, f"{url}/counter.txt", lambda text: f"{int(text) + 1}\n")
print("added", times)
