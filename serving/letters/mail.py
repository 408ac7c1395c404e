"""Sending by SMTP, bounded in time. It knows a server and a message, and tells in one word what went wrong; never an address, in no log."""

from __future__ import annotations

import smtplib
import ssl
from email.errors import MessageError
from email.message import EmailMessage
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

Fault = Literal["", "address", "refused", "login", "away", "unsure"]


class Mail(BaseModel):
    """The mail server that letters go through."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, description="The server's name.")
    port: int = Field(default=587, gt=0, lt=65536)
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="'none' for a server on this machine alone.")
    ca_file: str | None = Field(
        default=None, description="The authority that signed the server's certificate, where it is the institution's own."
    )
    user: str | None = None
    password: SecretStr | None = None
    sender: str = Field(min_length=3, pattern=r"^[^@\s]+@[^@\s]+$", description="The address that letters come from.")
    seconds: float = Field(default=5.0, gt=0, le=30, description="How long each step may take.")

    @model_validator(mode="after")
    def _in_the_open(self) -> Mail:
        if self.security == "none" and (self.password is not None or self.host not in ("127.0.0.1", "::1", "localhost")):
            raise ValueError("without TLS letters go to a server on this machine alone, and no password goes with them")
        return self


def compose(
    mail: Mail, *, to: str, name: str, reply_to: str, subject: str, body: str, number: str, language: str, calendar: bytes | None = None
) -> EmailMessage:
    """Put a message together.

    Raises
    ------
    ValueError
        An address or a name can't stand in a header.
    """
    message = EmailMessage()
    domain = mail.sender.rpartition("@")[2]
    message["From"] = f"{_quoted(name)} <{mail.sender}>"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{number}@{domain}>"
    message["Content-Language"] = language
    message["Auto-Submitted"] = "auto-generated"
    if reply_to:
        message["Reply-To"] = reply_to
    message.set_content("\n".join(line.removeprefix("# ") for line in body.splitlines()) + "\n")
    if calendar is not None:
        method = "CANCEL" if b"METHOD:CANCEL" in calendar else "PUBLISH"
        message.add_attachment(calendar, maintype="text", subtype="calendar", filename="afspraak.ics", params={"method": method})
    return message


def _quoted(name: str) -> str:
    plain = "".join(letter for letter in name if letter.isprintable() and letter not in '"\\')
    return f'"{plain}"'


def send(mail: Mail, message: EmailMessage) -> Fault:
    """Send a message, and tell in one word why it was not; '' where the server took it."""
    context = ssl.create_default_context(cafile=mail.ca_file)
    try:
        if mail.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.seconds, context=context)
        else:
            server = smtplib.SMTP(mail.host, mail.port, timeout=mail.seconds)
    except (OSError, smtplib.SMTPException):
        return "away"
    try:
        if mail.security == "starttls":
            server.starttls(context=context)
        if mail.user is not None:
            server.login(mail.user, "" if mail.password is None else mail.password.get_secret_value())
    except smtplib.SMTPAuthenticationError:
        server.close()
        return "login"
    except smtplib.SMTPNotSupportedError:
        server.close()
        return "refused"
    except (OSError, smtplib.SMTPException):
        server.close()
        return "away"
    return _hand_over(server, message)


def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> Fault:
    try:
        server.send_message(message)
    except smtplib.SMTPRecipientsRefused:
        return "address"
    except (smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError, MessageError, ValueError):
        return "refused"
    except (OSError, smtplib.SMTPException):
        return "unsure"  # the server may have had all of it before it fell silent
    finally:
        _leave(server)
    return ""


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; a server that goes first has what it was given all the same."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()
