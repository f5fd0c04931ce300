"""The policy's command line.

    python -m deployments.ops.policy check FILE
    python -m deployments.ops.policy diff A B PROMPTS

`check` explains the mistakes of a policy file, `diff` lists the decisions that differ between two.
"""

import sys


def main(arguments: list[str]) -> int:
    """Runs a command; 2 where there is none of that name."""
    match arguments:
        case ["check", *rest]:
            from deployments.ops.policy.check import main as check

            return check(rest)
        case ["diff", *rest]:
            from deployments.ops.policy.diff import main as compare

            return compare(rest)
    usage = arguments in (["-h"], ["--help"])
    print((__doc__ or "").strip(), file=sys.stdout if usage else sys.stderr)
    return 0 if usage else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
