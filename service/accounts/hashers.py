"""Password hashers."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2idPasswordHasher(Argon2PasswordHasher):
    """Argon2id at OWASP's first choice (Password Storage Cheat Sheet, 2026): 19 MiB, 2 passes, 1 lane.

    Django's own default of 100 MiB in 8 lanes starts 8 threads for each login.
    """

    algorithm = "argon2"
    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1
