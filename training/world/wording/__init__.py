"""How the world is told: captions, instructions, and the words of both."""
