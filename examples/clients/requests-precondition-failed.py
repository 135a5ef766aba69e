#!/usr/bin/env python3
"""Saves a page under the tag of a version that is not there any more. The server answers 412, and changes nothing.

    requests-precondition-failed.py [URL]
"""

import os
import sys

import requests

url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("IFMATCH_URL", "http://127.0.0.1:8080")
page = f"{url}/page.txt"

answer = requests.put(page, data="my version\n", headers={"If-Match": '"yesterday"'})
if answer.status_code == 412:
    print("Precondition failed.")
    print("The field that failed:", answer.json()["failed-field"])
    # The answer has the tag of what is there now.
    current = requests.get(page)
    print("The answer names the current version:", answer.headers["ETag"] == current.headers["ETag"])
else:
    answer.raise_for_status()
