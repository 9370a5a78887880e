"""Celery's part in checkouts: nothing but to call :mod:`service.checkout.saga`."""

from functools import cache

from celery import shared_task

from service.checkout import saga
from service.checkout.payments import HttpPayments, PaymentPort
from service.config.environment import environment


@shared_task(name="checkout.run_due")
def run_due() -> int:
    port = _port()
    return 0 if port is None else saga.run_due(port)


@cache
def _port() -> PaymentPort | None:
    env = environment()
    return None if env.payment_url is None else HttpPayments(env.payment_url, env.payment_timeout_s)
