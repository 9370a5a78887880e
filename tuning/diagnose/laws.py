"""Operational laws: what must hold between figures that were counted and timed, whatever the arrivals look like.

Sources: P. J. Denning and J. P. Buzen, "The Operational Analysis of Queueing Network Models", ACM Computing Surveys
10(3), 1978; E. D. Lazowska and others, "Quantitative System Performance", 1984, chapters 3 (laws) and 5 (bounds);
J. D. C. Little, "A Proof for the Queuing Formula L = lambda W", Operations Research 9(3), 1961.

Times are in seconds, rates in requests a second. A service time is the elapsed time for which a request holds its slot,
CPU, locks and waits inside it included.
"""

LITTLE = "Little's law, N = X R"
UTILISATION = "utilisation law, U = X S / m, with U at most 1"
RESPONSE_TIME = "interactive response time law, R = N / X - Z"
FORCED_FLOW = "forced flow law, X_k = V_k X"
BOUNDS = "asymptotic bounds, X <= min(m / S, N / (S + Z)) and R >= max(S, N S / m - Z)"


def in_system(throughput_per_s: float, response_s: float) -> float:
    """Little's law: how many requests are in the system on average, those that wait and those that are served."""
    return throughput_per_s * response_s


def utilisation(throughput_per_s: float, service_s: float, slots: int) -> float:
    """Utilisation law: the share of the slots' time that is taken, 0 to 1 for figures that can be true."""
    return throughput_per_s * service_s / slots


def service_at_most_s(throughput_per_s: float, slots: int) -> float:
    """Utilisation law read the other way: no more than all slots can be taken all the time, so S <= m / X.

    It is the service time itself where the slots were never free. For one kind of request, with that kind's own
    throughput, it holds as well: the others only take from it.
    """
    return slots / throughput_per_s


def response_s(users: float, throughput_per_s: float, think_s: float) -> float:
    """Interactive response time law: the mean response time of so many users in the steady state."""
    return users / throughput_per_s - think_s


def throughput_needed_per_s(users: float, response_s: float, think_s: float) -> float:
    """The same law solved for X: what a response time costs in throughput, where users ask again at once."""
    return users / (response_s + think_s)


def think_time_s(user_s: float, in_requests_s: float, requests: int) -> float:
    """The same law solved for Z, over a whole run: what users did not spend in requests, for each request."""
    return (user_s - in_requests_s) / requests


def throughput_at_most_per_s(users: float, service_s: float, slots: int, think_s: float) -> float:
    """Bottleneck law with the bound of few users: slots serve m / S, and users ask N / (S + Z)."""
    return min(slots / service_s, users / (service_s + think_s))


def response_at_least_s(users: float, service_s: float, slots: int, think_s: float) -> float:
    """The bound on throughput, as response time: no less than one service, and no less than the queue of all users."""
    return max(service_s, users * service_s / slots - think_s)


def users_at_knee(service_s: float, slots: int, think_s: float) -> float:
    """The users from which on the slots are the limit: where the two bounds on throughput meet."""
    return slots * (service_s + think_s) / service_s


def flow_per_s(visits: float, throughput_per_s: float) -> float:
    """Forced flow law: ``visits`` of the requests are of one kind, so that kind's rate follows from the whole."""
    return visits * throughput_per_s
