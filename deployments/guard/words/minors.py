"""The rule that no policy can change: a sexual cue together with a cue of a minor is blocked.

Sexual cues are words for sex acts, nudity, undressing and arousal; not breastfeeding, not swimwear.
Either cue alone is nobody's harm: a child at school, a nude statue, an 18-year-old oak. In the
negative prompt, what counts is what the picture will have because it is avoided: no clothes, no
adults. Every pattern is a list of alternatives without nested repeats, so matching is linear.
"""

import re
from collections.abc import Iterable

from deployments.guard.words.normalise import readings

HARMLESS = re.compile(
    r"""\b(?:
      naked\ mole\ rats? | (?:to|with|by)\ the\ naked\ eye | naked\ eye | naked\ (?:flames?|bulbs?)
    | nude\ (?:lip\w*|nail\w*|heels?|pumps?|tones?|colou?rs?|shades?|palette|pink|beige)
    | (?:same|opposite|either|both)[ -]sex(?:es)? | sex\ (?:education|ed|ratio|chromosomes?)
    | sex\ and\ the\ city | sex\ pistols | kinky[ -](?:hair\w*|curls?|afros?)
    | pussy[ ]?(?:willows?|cats?|riot) | cum\ laude
    | (?:oilseed\ )?rape(?:seed|\ (?:fields?|flowers?|blossoms?|oil|plants?|crops?))
    | strip\ (?:mall|light|cartoon|club\ sandwich)s?
    | baby\ (?:blue|pink|grand|oil|boomers?|corn|carrots?|bumps?) | oh\ baby
    | kid\ (?:gloves?|leather|rock) | billy\ the\ kid | ursa\ minor | canis\ minor
    | minor\ (?:key|chords?|scales?|injur\w+|details?|league|arcana|changes?)
    | (?:call|cover|bond|show|pin[- ]?up|golden|geisha|gibson)\ girls? | gilmore\ girls
    | (?:pet\ shop|backstreet|beach|bad|old|play)\ boys?
    | (?:adult|grown|grown[- ]up)\ (?:girl|boy)s?
    )\b""",
    re.VERBOSE,
)
"""Phrases that hold a cue's word and are none; they are blanked before the cues are sought."""

GARMENT = (
    r"(?:cloth(?:es|ing)|garments?|shirts?|t-?shirts?|blouses?|dress(?:es)?|skirts?|pants|trousers"
    r"|shorts|jeans|underwear|underpants|panties|knickers|bras?|bikinis?|swimsuits?|swimwear"
    r"|uniforms?|pyjamas|pajamas|robes?|towels?|diapers?)"
)
WHOSE = r"(?:(?:her|his|their|its|the|any|all|of|a|an|my|your|own|off)\ ){0,3}"

SEXUAL = re.compile(
    rf"""\b(?:
      sex | sexy | sexual\w* | sexting | sexi(?:ly|er|est) | sexuali[sz]\w+ | hypersexual\w*
    | nud(?:e|es|ity|ism|ist|ists) | naked(?:ly|ness)? | unclothed | topless | nekkid
    | undress(?:es|ed|ing)? | disrob(?:e|es|ed|ing) | strip[- ]?teas\w+ | strippers?
    | strip(?:s|ped|ping)?\ (?:naked|nude|down|off|bare|poker|club|for)
    | (?:bare|naked|exposed|uncovered)[- ](?:breasts?|boobs?|bottoms?|butts?|buttocks|ass|crotch
        |genitals?|bod(?:y|ies))
    | bare[- ](?:breasted|bottomed) | birthday\ suits?
    | (?:without|no|not\ wearing|wearing\ no)\ {WHOSE}(?:{GARMENT}|clothed)
    | wearing\ (?:nothing|only\ (?:a\ )?(?:towel|underwear|panties|bra|socks|stockings))
    | (?:see[- ]?through|transparent|sheer)\ {GARMENT}
    | (?:remov|tak|pull|rip|tear|peel|slid|lift|strip)\w*\ {WHOSE}{GARMENT}
        (?!\ (?:from|out\ of|in|into|with)\b)
    | took\ {WHOSE}{GARMENT} | (?:clothes|clothing|dress|shirt|skirt|pants|bra)\ (?:off|removed)
    | panties | lingerie | thong | upskirts? | cameltoe | g-string
    | genitals? | genitalia | penis(?:es)? | vaginas?l? | vulvas? | labia | clitoris | testicles
    | nipples | pubic | boobs? | tits | titties | pussy | pussies | dicks? | cocks | cum | cumming
    | cumshots? | semen | erections? | boners? | anal | anus
    | porn\w* | erotic\w* | nsfw | xxx | hentai | ecchi | ahegao | futanari | rule\ ?34 | onlyfans
    | hardcore\ scene | bdsm | fetish\w* | orgy | orgies | threesomes? | gang[- ]?bang\w*
    | masturbat\w+ | orgasm\w* | ejaculat\w+ | intercourse | copulat\w+ | fornicat\w+ | coitus
    | blow[- ]?jobs? | hand[- ]?jobs? | fellatio | cunnilingus | deep[- ]?throat\w* | creampies?
    | fuck(?:s|ed|ing)? | humping | dildos? | vibrators? | sodom\w+ | doggy[- ]?style
    | rap(?:e|es|ed|ing|ists?) | molest\w* | grop(?:e|es|ed|ing) | incest\w* | paedophil\w*
    | pedo(?:phil\w*|s)? | lolicon | shotacon | child\ porn\w* | csam | jailbait
    | arous(?:ed|al|ing) | horny | lust(?:s|ful|fully|y)? | lewd\w* | lascivious\w* | seduc\w+
    | sensual\w* | slut\w* | whor(?:e|es|ing) | hookers? | prostitut\w+ | brothels? | kinky
    | spread(?:ing|s)?\ (?:her\ |his\ |their\ )?legs | legs\ (?:wide\ )?spread
    )\b""",
    re.VERBOSE,
)

CHILD = re.compile(
    r"""\b(?:
      child(?:ren|rens|like|hood|s)? | kid(?:s|do|dos|die|dies)? | toddlers? | infants? | newborns?
    | bab(?:y|ies) | preschool\w* | pre-school\w* | kindergart\w+ | schoolchild(?:ren)?
    | teens? | teen(?:y|ie)s? | teenag(?:e|ed|er|ers) | (?:pre|early)[- ]?teens? | tweens?
    | preteens? | adolescen(?:t|ts|ce) | (?:pre)?pubescent | juveniles? | youngsters?
    | \d?girls? | \d?boys? | school[- ]?girls? | school[- ]?boys? | girlhood | boyhood
    | little\ (?:one|ones|sister|brother|daughter|son|princess|lady)
    | young(?:er|est)?\ (?:daughter|son|sister|brother|lady)
    | minors | (?<!in\ )a\ minor | under[- ]?age(?:d)? | jailbait | barely\ legal
    | loli(?:s|con|ta|tas)? | shota(?:s|con)? | child\ porn\w* | csam
    | (?:elementary|primary|middle|grade|high)[- ]school\w* | junior\ high
    | (?:\d+(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)
        [- ]grade(?:rs?)?
    | months?[- ]old | sweet\ sixteen | (?:girl|boy|cub)\ scouts?
    | (?:under|below|younger\ than|not\ yet)\ (?:the\ age\ of\ )?(?:18|eighteen)
    )\b""",
    re.VERBOSE,
)

UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ADULT_AGE = 18
NUMBER = rf"\d{{1,4}}|(?:(?:{'|'.join(TENS)})[- ]?)?(?:{'|'.join(UNITS)})\b|{'|'.join(TEENS)}"
THINGS = r"""(?:oaks? | trees? | whisk(?:e)?y | scotch | wines? | rum | cognac | cheddar | cheese
    | cars? | buildings? | compan(?:y|ies) | traditions?)"""
AGE = re.compile(
    rf"""(?<![\d.,])(?<!hundred\ and\ )\b(?:
      (?:age|aged|ages|age\ of|turn(?:s|ing|ed))[ :=]{{1,2}}(?P<aged>{NUMBER})\b
    | (?P<old>{NUMBER})[ -]?
        (?:(?:years?|yrs?|y)?[ -]?olds?|(?:years?|yrs?)\ of\ age|yr?s?[ ./]{{0,2}}o)
        \b(?![- ]{THINGS}\b)
    | (?P<birthday>\d{{1,2}})(?:st|nd|rd|th)\ birthday
    )""",
    re.VERBOSE,
)
"""Ages of people. Things have ages too: what follows must not be one of them."""

AVOIDED_ITEM = re.compile(r"[,;|\n.]+")
WEIGHT = re.compile(r"[()\[\]{}]|:[\d.]+")
AVOIDS_CLOTHES = re.compile(
    r"(?:(?:wearing|any|all|her|his|their|the|being|is|with|having) )*"
    rf"(?:{GARMENT}|clothed|dressed|fully (?:clothed|dressed)|covered(?: up)?|outfits?|fabric"
    r"|modesty|decen(?:t|cy)|sfw|safe(?: for work)?|safety)"
)
AVOIDS_ADULTS = re.compile(r"(?:any |an )?(?:adults?|grown[- ]?ups?|mature (?:wo)?m[ae]n|aged up)")


def joins_minor_and_sexual(prompt: str, negative_prompt: str = "") -> bool:
    """Whether the request holds both cues, in any of its readings."""
    texts = [HARMLESS.sub(" ", " ".join(text.split())) for text in readings(prompt)]
    avoided = _items(negative_prompt)
    return (_sexual(texts) or any(AVOIDS_CLOTHES.fullmatch(item) for item in avoided)) and (
        _minor(texts) or any(AVOIDS_ADULTS.fullmatch(item) for item in avoided)
    )


def _sexual(texts: Iterable[str]) -> bool:
    return any(SEXUAL.search(text) for text in texts)


def _minor(texts: Iterable[str]) -> bool:
    return any(CHILD.search(text) or any(age < ADULT_AGE for age in _ages(text)) for text in texts)


def _ages(text: str) -> Iterable[int]:
    for found in AGE.finditer(text):
        yield _value(found["aged"] or found["old"] or found["birthday"])


def _value(number: str) -> int:
    """12 of `12` or `twelve`; of `twenty-one` the twenty tells enough."""
    if number.isdecimal():
        return int(number)
    if number in TEENS:
        return 10 + TEENS.index(number)
    for tens, word in enumerate(TENS, start=2):
        if number.startswith(word):
            return 10 * tens
    return 1 + UNITS.index(number)


def _items(negative_prompt: str) -> list[str]:
    """What the negative prompt lists, without its weights: `(clothes:1.3), blurry` gives two."""
    return [
        " ".join(WEIGHT.sub(" ", item).split())
        for text in readings(negative_prompt)
        for item in AVOIDED_ITEM.split(WEIGHT.sub(" ", text))
    ]
