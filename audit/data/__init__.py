"""One file per modality and source."""
