"""What a comment is scored for, and where labels come from."""
