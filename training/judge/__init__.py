"""The judge, which evaluation scores pictures with. It trains, steers and selects nothing."""
