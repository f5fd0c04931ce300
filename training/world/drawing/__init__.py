"""How scenes are drawn: flat shapes on a 64x64 grid."""
