"""What checks of an area share: attacks tried on test rows and what comes of them; claims of probability."""
