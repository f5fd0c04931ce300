"""Assembles every embedded model in the cache: `python -m deployments.embedded`."""

from deployments.embedded.resolve import EMBEDDED, SCHEME, resolve


def main() -> None:
    for name in EMBEDDED:
        print(f"{SCHEME}{name} -> {resolve(SCHEME + name)}", flush=True)


if __name__ == "__main__":
    main()
