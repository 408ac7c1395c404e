"""Who may what: scopes, roles, people by OpenID Connect, machines by tokens. Everything is denied that is not allowed here."""
