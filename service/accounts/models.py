"""The user: Django's own, under a table name that can grow; and where users are logged in."""

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models

from service.accounts import sessions


class User(AbstractUser):
    """A buyer or a member of staff."""

    class Meta(AbstractUser.Meta):
        db_table = "account_user"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and after a change of the password end the sessions that the old one opened."""
        is_changed = self.pk is not None and self._password is not None  # type: ignore[attr-defined]  # Django's own
        super().save(*args, **kwargs)
        if is_changed:
            sessions.end_all(self.pk, "password")


class Session(models.Model):
    """A login and all refresh tokens that came from it; written by functions of sql/ alone.

    The one place that says whether they are good: to revoke is to set ``ends_at``.
    """

    user = models.ForeignKey(User, models.CASCADE)
    created_at = models.DateTimeField()
    ends_at = models.DateTimeField(db_index=True)
    ended_because = models.CharField(max_length=16)

    class Meta:
        db_table = "account_session"


class RefreshToken(models.Model):
    """The SHA-256 of a token that can be used once."""

    session = models.ForeignKey(Session, models.CASCADE)
    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "account_refresh_token"
