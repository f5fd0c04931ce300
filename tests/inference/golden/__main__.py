"""Writes the golden files anew: `python -m tests.inference.golden`. Review the diff."""

from tests.inference.golden.files import made, write

if __name__ == "__main__":
    write(made())
