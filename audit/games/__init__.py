"""Games of explanation: which test rows are explained, by which players, against which train rows."""
