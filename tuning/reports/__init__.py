"""Turn what was measured into documents; decides nothing."""
