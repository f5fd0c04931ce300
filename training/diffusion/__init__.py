"""The miniature's image model: an autoencoder, then a latent U-Net that reads MiniLM's states."""
