"""Arrays to small summaries: counts, bins, ranks."""
