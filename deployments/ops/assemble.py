"""Assembles embedded models in the cache.

    python -m deployments.ops.assemble [NAME ...]

Without names it assembles them all.
"""

import argparse
import sys
import time

from deployments.errors import ConfigurationError
from deployments.inference.embedded.resolve import EMBEDDED, SCHEME, resolve


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EMBEDDED)}")
    for name in parser.parse_args(arguments).names or EMBEDDED:
        start = time.monotonic()
        try:
            folder = resolve(SCHEME + name)
        except ConfigurationError as error:
            print(f"embedded:{name}: {error}", file=sys.stderr)
            return 1
        print(f"  {name:<15} {time.monotonic() - start:4.1f} s  {folder}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
