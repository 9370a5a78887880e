"""The user: Django's own, under a table name that can grow."""

from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A buyer or a member of staff."""

    class Meta(AbstractUser.Meta):
        db_table = "account_user"
