"""Invitations by letter or e-mail: their text, how plain it is, their link, their way out. It knows no page and no table."""
