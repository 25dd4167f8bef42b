"""What checks of an area share: attacks and changes tried on test rows, what comes of them; claims of probability."""
