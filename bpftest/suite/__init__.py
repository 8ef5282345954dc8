"""From the text of a suite file to a frozen Suite. Pure: the same on every machine."""
