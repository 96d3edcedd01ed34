"""The analysis of a whole study: many finished runs at once, what tells the options of a factor apart, findings."""
