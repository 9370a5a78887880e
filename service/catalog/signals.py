"""A product or a category was saved or deleted: what was listed of them ends when that is committed."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from service.cache.answers import answers
from service.catalog.listing import TAG
from service.catalog.models import Category, Product
from service.db.replica import committed


@receiver([post_save, post_delete], sender=Product)
@receiver([post_save, post_delete], sender=Category)
def forget_pages(**_: Any) -> None:
    transaction.on_commit(lambda: answers().changed([TAG], committed()))
