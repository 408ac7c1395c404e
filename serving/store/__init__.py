"""What the service keeps: published lists, the people on them apart and encrypted, and an audit trail that shows tampering."""
