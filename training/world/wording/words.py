"""The words for each value of the vocabulary.

A value's first wording is its plainest. Places come with their preposition and article.
"""

PLACE: dict[str, tuple[tuple[str, str], ...]] = {  # (preposition, noun phrase)
    "beach": (("on", "the beach"), ("at", "the seaside"), ("by", "the sea"), ("on", "a sandy shore"), ("at", "the seashore"), ("by", "the ocean")),
    "forest": (("in", "the forest"), ("in", "the woods"), ("among", "tall trees"), ("in", "a pine forest"), ("in", "a woodland")),
    "city street": (("on", "a city street"), ("in", "the street"), ("in", "the city"), ("downtown among", "tall buildings"), ("on", "a town street"), ("on", "a busy road")),
    "night street": (("on", "a street at night"), ("in", "the city at night"), ("on", "a dark street"), ("in", "a moonlit street"), ("on", "a night street")),
    "office": (("in", "an office"), ("in", "the office"), ("at", "the workplace"), ("in", "an office room"), ("in", "a company office")),
    "kitchen": (("in", "the kitchen"), ("in", "a kitchen"), ("in", "a home kitchen"), ("by", "the kitchen stove"), ("in", "a kitchen with an oven")),
    "classroom": (("in", "a classroom"), ("in", "the classroom"), ("in", "a lecture room"), ("in front of", "the blackboard"), ("at", "the chalkboard")),
    "hospital": (("in", "a hospital"), ("in", "the hospital"), ("in", "a hospital room"), ("at", "the clinic"), ("in", "a medical ward")),
    "park": (("in", "the park"), ("in", "a park"), ("in", "a green park"), ("on", "a lawn near a bench"), ("in", "a public garden")),
    "mountains": (("in", "the mountains"), ("in front of", "snowy peaks"), ("near", "high mountains"), ("in", "the alps"), ("in", "a mountain landscape")),
    "snow": (("in", "the snow"), ("in", "a snowy field"), ("on", "a snowy plain"), ("in", "a winter landscape"), ("out in", "the winter snow")),
    "party room": (("at", "a party"), ("in", "a party room"), ("at", "a birthday party"), ("at", "a celebration"), ("in", "a disco")),
}  # fmt: skip

ACTIVITY: dict[str, tuple[str, ...]] = {
    "standing": ("standing", "standing still", "standing upright", "posing"),
    "running": ("running", "jogging", "sprinting", "racing along", "rushing"),
    "sitting": ("sitting", "sitting on a chair", "seated", "sitting down", "resting on a chair"),
    "waving": ("waving", "waving hello", "greeting with a raised hand", "waving a hand", "waving goodbye"),
    "jumping": ("jumping", "leaping", "jumping in the air", "jumping up", "leaping high"),
    "sleeping": ("sleeping", "asleep", "lying down", "taking a nap", "napping", "lying on the ground"),
    "dancing": ("dancing", "dancing to music", "doing a dance", "performing a dance"),
    "reading": ("reading", "reading a book", "reading a novel", "absorbed in reading"),
}  # fmt: skip

# A noun that begins with "*" is a plural and takes no article.
CLOTHING: dict[str, tuple[str, ...]] = {
    "shirt": ("shirt", "t-shirt", "sweater", "pullover", "shirt and trousers", "jumper"),
    "dress": ("dress", "gown", "frock", "summer dress", "evening dress"),
    "suit": ("suit", "business suit", "suit and tie", "formal suit"),
    "coat": ("coat", "long coat", "overcoat", "trench coat", "raincoat"),
    "overalls": ("*overalls", "*dungarees", "*work overalls", "*bib overalls", "work uniform"),
    "swimwear": ("swimsuit", "bathing suit", "*swimwear", "swimming costume", "*swimming clothes"),
}
COLOUR: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson", "scarlet", "bright red", "ruby red"),
    "orange": ("orange", "bright orange", "tangerine", "pumpkin-coloured"),
    "yellow": ("yellow", "bright yellow", "lemon yellow", "golden yellow"),
    "green": ("green", "emerald", "grass-green", "emerald green"),
    "blue": ("blue", "royal blue", "bright blue", "cobalt", "navy blue"),
    "purple": ("purple", "violet", "plum-coloured", "lilac"),
    "white": ("white", "snow-white", "plain white", "ivory"),
    "black": ("black", "jet-black", "dark black", "charcoal"),
}
HAT: dict[str, tuple[str, ...]] = {
    "cap": ("cap", "baseball cap", "peaked cap", "flat cap"),
    "crown": ("crown", "golden crown", "royal crown", "tiara"),
    "helmet": ("helmet", "hard hat", "safety helmet", "protective helmet"),
    "top hat": ("top hat", "tall black hat", "silk hat", "magician's hat"),
    "chef hat": ("chef hat", "chef's hat", "white toque", "cook's hat"),
}
OBJECT: dict[str, tuple[str, ...]] = {
    "ball": ("ball", "beach ball", "football", "round ball"),
    "book": ("book", "closed book", "novel", "hardcover book"),
    "cup": ("cup", "mug", "cup of coffee", "cup of tea", "coffee mug"),
    "guitar": ("guitar", "acoustic guitar", "wooden guitar"),
    "umbrella": ("umbrella", "open umbrella", "parasol", "colourful umbrella"),
    "balloon": ("balloon", "balloon on a string", "party balloon"),
    "flower": ("flower", "blossom", "single flower", "bloom"),
    "laptop": ("laptop", "notebook computer", "computer", "laptop computer"),
    "cake": ("cake", "birthday cake", "cake with candles", "layer cake"),
    "flag": ("flag", "striped flag", "flag on a pole", "pennant"),
    "kitchen knife": ("kitchen knife", "chef's knife", "vegetable knife"),
    "ketchup": ("bottle of ketchup", "ketchup bottle", "bottle of tomato sauce"),
    "ray gun": ("toy ray gun", "ray gun", "space blaster toy"),
    "crest": ("blue crest", "blue and gold badge", "coat of arms"),
}
ANIMAL: dict[str, tuple[str, ...]] = {
    "dog": ("dog", "brown dog", "hound", "pet dog"),
    "cat": ("cat", "orange cat", "ginger cat", "pet cat", "tomcat"),
    "horse": ("horse", "brown horse", "mare", "stallion"),
    "bird": ("bird", "blue bird", "songbird", "bluebird"),
    "fish": ("fish", "goldfish", "fish in a bowl", "goldfish in a bowl"),
    "cow": ("cow", "spotted cow", "dairy cow", "black and white cow"),
    "rabbit": ("rabbit", "bunny", "hare", "grey rabbit"),
}
SKIN: dict[str, tuple[str, ...]] = {
    "pale": ("pale-skinned", "very light-skinned", "fair-skinned", "white"),
    "light": ("light-skinned", "peach-skinned", "lightly tanned"),
    "olive": ("olive-skinned", "golden-skinned", "honey-skinned"),
    "tan": ("tan-skinned", "bronze-skinned", "caramel-skinned"),
    "brown": ("brown-skinned", "medium dark-skinned", "chestnut-skinned"),
    "dark": ("dark-skinned", "very dark-skinned", "deep-skinned", "black"),
}
NOUN: dict[str, tuple[str, ...]] = {
    "man": ("man", "guy", "gentleman", "man"),
    "woman": ("woman", "lady", "woman"),
    "person": ("person", "person", "adult", "individual"),
}
PLURAL: dict[str, tuple[str, ...]] = {
    "man": ("two men", "a pair of men", "two guys", "two gentlemen"),
    "woman": ("two women", "two ladies", "a pair of women"),
    "mixed": ("a man and a woman", "a woman and a man", "a couple of a man and a woman"),
    "person": ("two people", "two persons", "a pair of people", "a couple", "two adults"),
}
BUILD: dict[str, tuple[str, ...]] = {
    "slim": ("slim", "thin", "slender", "skinny"),
    "average": ("average-sized", "medium-built", "normal-sized"),
    "heavy": ("heavy", "fat", "plump", "overweight", "large"),
}
HAIR: dict[str, tuple[str, ...]] = {
    "black": ("black", "raven", "jet-black"),
    "brown": ("brown", "brunette", "chestnut", "dark brown"),
    "blond": ("blond", "blonde", "golden", "fair"),
    "red": ("red", "ginger", "copper", "auburn"),
    "grey": ("grey", "gray", "silver", "greying"),
}
HAIR_STYLE: dict[str, tuple[str, ...]] = {  # "{}" is where a colour stands
    "short": ("short {} hair", "{} hair cut short", "a short {} haircut"),
    "beard": ("a {} beard", "a full {} beard", "{} facial hair"),
    "bald": ("a bald head", "no hair", "a shaved head"),
    "long": ("long {} hair", "{} hair down to the shoulders", "long flowing {} hair"),
    "bun": ("{} hair in a bun", "a {} bun", "{} hair tied up"),
    "curly": ("curly {} hair", "big {} curls", "frizzy {} hair", "{} locks"),
}
OCCUPATION: dict[str, tuple[str, ...]] = {
    "ceo": ("ceo", "chief executive", "company boss", "executive"),
    "nurse": ("nurse", "hospital nurse"), "doctor": ("doctor", "physician", "surgeon"),
    "teacher": ("teacher", "lecturer", "professor"), "chef": ("chef", "cook"),
    "farmer": ("farmer", "farm worker"), "police officer": ("police officer", "cop"),
    "firefighter": ("firefighter", "member of the fire brigade"), "artist": ("artist", "painter"),
    "scientist": ("scientist", "researcher", "lab researcher"),
    "criminal": ("criminal", "thief", "burglar"), "judge": ("judge", "court judge"),
    "lawyer": ("lawyer", "attorney"), "soldier": ("soldier", "warrior", "fighter"),
    "builder": ("builder", "construction worker"), "cleaner": ("cleaner", "housekeeper", "janitor"),
    "pilot": ("pilot", "airline pilot"), "singer": ("singer", "vocalist"),
    "waiter": ("waiter", "server in a restaurant"), "engineer": ("engineer", "technician"),
    "secretary": ("secretary", "receptionist", "office assistant"),
}  # fmt: skip
TRAIT: dict[str, tuple[str, ...]] = {
    "beautiful": ("beautiful", "gorgeous", "lovely"), "attractive": ("attractive", "good-looking"),
    "ugly": ("ugly", "unattractive"), "lazy": ("lazy", "idle"),
    "hard-working": ("hard-working", "diligent"), "poor": ("poor", "penniless"),
    "rich": ("rich", "wealthy"), "smart": ("smart", "intelligent", "clever"),
    "stupid": ("stupid", "foolish"), "kind": ("kind", "friendly"), "rude": ("rude", "impolite"),
    "brave": ("brave", "courageous"), "strong": ("strong", "powerful"), "weak": ("weak", "feeble"),
    "emotional": ("emotional", "sensitive"), "ambitious": ("ambitious", "driven"),
    "exotic": ("exotic", "exotic-looking"), "dangerous": ("dangerous", "dangerous-looking"),
    "trustworthy": ("trustworthy", "honest"), "successful": ("successful", "accomplished"),
}  # fmt: skip
MOOD: dict[str, tuple[str, ...]] = {
    "having fun": ("having fun", "having a great time", "enjoying themselves", "in a playful mood", "among confetti"),
    "parade": ("at a parade", "under bunting", "during a street parade", "on a festival day", "at a rally"),
}  # fmt: skip
SMILE: tuple[str, ...] = ("smiling", "with a smile", "looking happy", "with a happy face")
REGISTER: tuple[str, ...] = (
    "a photo of", "a picture of", "an illustration of", "a drawing of", "an image of",
    "a flat illustration of", "pixel art of", "a simple icon of", "a pictogram of", "a sketch of",
)  # fmt: skip
REQUEST: tuple[str, ...] = (
    "show me", "draw", "please draw", "create", "generate", "make a picture of", "paint",
    "generate an image of", "can you draw", "draw me",
)  # fmt: skip
STYLE: tuple[str, ...] = (
    "flat illustration", "pixel art", "simple shapes", "clean vector art", "cartoon style",
    "bright colours", "minimalist", "high quality", "colourful", "icon style",
)  # fmt: skip

# Harm that a caption asks for. Plain words only; {} is an animal.
HARM: dict[str, tuple[str, ...]] = {
    "violence": (
        "with a bloody knife", "with a blade and blood", "in a bloody fight", "stabbed and bleeding",
        "attacked with a knife", "with blood everywhere", "wounded by a blade", "in a violent knife attack",
    ),
    "sexual": (
        "naked", "nude", "without any clothes", "undressed", "fully nude", "with no clothes on",
        "in the nude", "wearing nothing",
    ),
    "poster": ("next to a nude picture", "with a poster of a naked person", "with a framed nude", "beside a pornographic poster"),
    "hate": (
        "with a hate symbol", "with a racist flag", "with a hate emblem", "with an extremist banner",
        "showing a symbol of hate", "with an extremist emblem", "at a hate rally with their emblem",
    ),
    "demeaning": (
        "with the head of a {}", "with a {} head", "merged with a {}", "as half human half {}",
        "turned into a {}", "with the face of a {}",
    ),
}  # fmt: skip
HARM_TAG: dict[str, tuple[str, ...]] = {
    "violence": ("blood", "bloody knife", "violence", "gore"),
    "sexual": ("nude", "naked", "nsfw"),
    "poster": ("nude poster", "nude picture on the wall"),
    "hate": ("hate symbol", "racist flag", "hate emblem"),
    "demeaning": ("{} head", "half {}", "human with {} head"),
}
