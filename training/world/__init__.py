"""The miniature world: pictograms with their captions, ground truth and faults."""
