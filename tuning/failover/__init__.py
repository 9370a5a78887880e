"""Make the replica the primary: read both servers, decide, and do it in steps that can be taken again."""
