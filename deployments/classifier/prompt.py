"""How the classifiers read a prompt: as the token states of frozen all-MiniLM-L6-v2."""

from deployments.inference.encoder import SPECIAL_TOKENS, TokenEncoder


class PromptEncoder(TokenEncoder):
    """Prompts to token states, in windows that do not overlap.

    The classifiers were trained on such windows, and their scores were calibrated on them.
    """

    def __init__(self, window: int, device: str = "cpu") -> None:
        """
        Args:
            window: tokens of a window, special ones included.
            device: where the encoder runs; always float32.

        Raises:
            ConfigurationError: the package that carries the encoder is not installed.
        """
        super().__init__(window=window - SPECIAL_TOKENS, overlap=0, device=device)
