"""`make evaluate [NAME="guard cascade"]`: runs named measurements, and writes what they found.

Finished shards stay in .cache/evaluation, so that a killed run goes on where it was. A result is
written to docs/measurements/NAME.json, and that of a trial (--count) to runs/measurements. Without
a name, all measurements run that need nothing which the command was not given.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping

from evaluation.common.measurement import Measurement
from evaluation.common.options import Options, options_of, parent
from evaluation.common.run import results_folder, run
from evaluation.documents import interval, number
from evaluation.registry import measurements


def chosen(
    names: list[str], known: Mapping[str, type[Measurement]], options: Options
) -> list[type[Measurement]]:
    """The measurements to run.

    Raises:
        SystemExit: there is none of that name, or a named one lacks what it needs.
    """
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"there is no measurement {unknown[0]!r}; see --list")
    wanted = []
    for one in [known[name] for name in names] or known.values():
        if lacking := sorted(one.needs - options.has):
            line = f"{one.name} needs --{' and --'.join(lacking)}"
            if names:
                raise SystemExit(line)
            print(f"left out: {line}", file=sys.stderr)
        else:
            wanted.append(one)
    return wanted


def listed(known: Mapping[str, type[Measurement]]) -> str:
    """A line for each measurement: name, minutes, what it needs, and its question."""
    return "\n".join(
        f"{name:14}{one.minutes:>5g} min  {', '.join(sorted(one.needs)):9}{one.question}"
        for name, one in known.items()
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m evaluation",
        description=__doc__,
        parents=[parent()],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="say what there is to measure")
    args = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # read when the first measurement is imported
    known = measurements()
    if args.list:
        print(listed(known))
        return
    options = options_of(args)
    for one in chosen(args.names, known, options):
        measurement = one(options)
        result = asyncio.run(run(measurement))
        path = result.write(results_folder(measurement))
        for figure in result.figures.values():
            print(f"{number(figure):>10} {interval(figure):20}{figure.text}")
        print(path)


if __name__ == "__main__":
    main()
