"""Checkouts: for each order that is being paid, or was, the step that it stands before."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Checkout(models.Model):
    """One order's payment. The step is written before it is done, so whoever finds it does it again.

    The first four steps are under way, the last three final. ``sql/functions/checkout_*`` write it.
    """

    class Step(models.TextChoices):
        AUTHORISING = "authorising"
        CONFIRMING = "confirming"
        VOIDING = "voiding"
        RELEASING = "releasing"
        CONFIRMED = "confirmed"
        REFUSED = "refused"
        VOIDED = "voided"

    order_id = models.UUIDField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, related_name="+", db_index=False, db_constraint=False
    )
    lines = ArrayField(models.SmallIntegerField(), help_text="The lines of the order that the amount pays for.")
    # The dearest product, as often as 100 lines can hold it, still fits.
    amount = models.DecimalField(max_digits=20, decimal_places=2)
    step = models.CharField(max_length=12, choices=Step.choices)
    payment_ref = models.CharField(max_length=255, null=True, help_text="The provider's name for the authorisation.")
    reason = models.CharField(max_length=20, null=True, help_text="Why it was not confirmed.")
    attempts = models.IntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    last_error = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "checkout"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    step__in=[
                        "authorising",
                        "confirming",
                        "voiding",
                        "releasing",
                        "confirmed",
                        "refused",
                        "voided",
                    ]
                ),
                name="checkout_step_known",
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="checkout_amount_not_negative"),
        ]
