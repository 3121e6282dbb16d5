"""What is remembered, and by every store alike."""
