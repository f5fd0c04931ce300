"""The colours of the world, as RGB triples of 0..255."""

RGB = tuple[int, int, int]

OUTLINE: RGB = (38, 30, 44)
WHITE: RGB = (250, 250, 250)
BLOOD: RGB = (200, 0, 16)
STEEL: RGB = (205, 215, 225)
WOOD: RGB = (140, 90, 50)
TROUSERS: RGB = (84, 84, 110)

CLOTHES: dict[str, RGB] = {
    "red": (218, 32, 40),
    "orange": (250, 130, 10),
    "yellow": (250, 222, 30),
    "green": (30, 150, 60),
    "blue": (30, 90, 220),
    "purple": (140, 50, 180),
    "white": (248, 248, 250),
    "black": (42, 40, 48),
}
SKIN: dict[str, RGB] = {
    "pale": (255, 228, 208),
    "light": (244, 198, 160),
    "olive": (220, 172, 118),
    "tan": (190, 130, 82),
    "brown": (138, 86, 52),
    "dark": (82, 50, 34),
}
HAIR: dict[str, RGB] = {
    "black": (30, 26, 30),
    "brown": (112, 66, 32),
    "blond": (244, 206, 84),
    "red": (196, 72, 20),
    "grey": (168, 168, 176),
}
