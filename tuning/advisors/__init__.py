"""What a server's catalog and statistics say is wrong: pure, from one snapshot; one question a file."""
