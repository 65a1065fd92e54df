"""One hop, everything of it: flow of credit, order, accounts, and the two ends of the stream."""
