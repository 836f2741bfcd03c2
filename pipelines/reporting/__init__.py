"""The sections of the managers' report: figures, charts and sentences in two languages."""
