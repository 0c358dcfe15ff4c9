"""One file a decision, and what decisions are made from: what policies see, and what an edit is worth."""
