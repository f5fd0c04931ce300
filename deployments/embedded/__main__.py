"""Assembles embedded models in the cache: `python -m deployments.embedded [NAME ...]`, or all."""

import argparse

from deployments.embedded.resolve import EMBEDDED, SCHEME, resolve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(EMBEDDED)}")
    for name in parser.parse_args().names or EMBEDDED:
        print(f"{SCHEME}{name} -> {resolve(SCHEME + name)}", flush=True)


if __name__ == "__main__":
    main()
