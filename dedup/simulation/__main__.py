"""``python -m dedup.simulation DIR`` writes the sample world anew."""

import sys
from pathlib import Path

from dedup.simulation.samples import make_samples

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m dedup.simulation DIR")
    print(make_samples(Path(sys.argv[1])))
