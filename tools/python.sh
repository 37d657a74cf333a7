#!/bin/sh
# Runs the first Python >= 3.11 found, with the arguments given. PYTHON=/path/to/python overrides the search.
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" "$@"
    fi
done
echo "dedup needs Python 3.11 or newer, and none was found${PYTHON:+ at $PYTHON}." >&2
echo "Install one (Debian or Ubuntu: apt install python3) or name it: make PYTHON=/path/to/python3" >&2
exit 1
