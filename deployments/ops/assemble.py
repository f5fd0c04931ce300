"""Assembles embedded models in the cache.

    python -m deployments.ops.assemble [NAME ...]

Without names it assembles them all.
"""

import argparse

from deployments.inference.embedded.resolve import EMBEDDED, SCHEME, resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EMBEDDED)}")
    for name in parser.parse_args().names or EMBEDDED:
        print(f"{SCHEME}{name} -> {resolve(SCHEME + name)}", flush=True)


if __name__ == "__main__":
    main()
