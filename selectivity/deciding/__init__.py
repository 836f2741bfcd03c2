"""From a declaration to one lane: who has a vote, and where all votes meet."""
