"""What checks of an area share: attacks and changes tried on test rows and what comes of them; claims of probability."""
