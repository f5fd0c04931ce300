"""Number words, for whatever counts or reads numbers in a prompt."""

NUMBER_WORDS = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
)  # fmt: skip
"""`NUMBER_WORDS[n]` is the word for n."""
