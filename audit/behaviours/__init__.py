"""What behavioural tests of a table share: how they are written, what they change, who breaks them."""
