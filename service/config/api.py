"""The HTTP API: routers, and the one place where errors become problem documents."""

from collections.abc import Callable

from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from service.accounts.api import BearerToken, bearer
from service.accounts.api import router as accounts
from service.accounts.hashing import TooManyLogins
from service.accounts.limiter import TooManyTries
from service.catalog.api import router as catalog
from service.checkout.api import router as checkout
from service.front.deadline import DeadlinePassed
from service.ops.outages import answer, too_late
from service.ops.problems import Problem, response
from service.stock.api import availability, availability_of_many
from service.stock.api import router as stock
from service.stock.errors import StockError
from service.stock.reserve_api import router as reserve
from service.stock.waitlist_api import router as waitlist

api = NinjaAPI(title="hotrow", version="1", auth=BearerToken(), docs_url=None)
api.add_router("/auth", accounts)
api.add_router("/products", catalog)
api.add_router("/products", availability)
api.add_router("/products", waitlist)
api.add_router("/availability", availability_of_many)
api.add_router("/reservations", reserve)
api.add_router("/reservations", stock)
api.add_router("/orders", checkout)


def direct(view: Callable[..., HttpResponse], method: str = "POST") -> Callable[..., HttpResponse]:
    """Serve a call of the API past ninja's operation, which costs more than it saves (docs/adr/0011).

    The same token is needed and errors look the same; the operation stays registered for OpenAPI.
    """

    @csrf_exempt
    def served(request: HttpRequest, **of_path: str) -> HttpResponse:
        try:
            if request.method != method:
                raise Problem(405, "method_not_allowed", f"Only {method} is allowed here.", headers={"Allow": method})
            request.auth = bearer(request)  # type: ignore[attr-defined]  # as ninja sets it
            return view(request, **of_path)
        except Exception as error:  # noqa: BLE001  # ninja's handlers know each, and raise what they do not
            return api.on_exception(request, error)

    served.is_direct = True  # type: ignore[attr-defined]
    return served


@api.exception_handler(Problem)
def _problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return response(error)


@api.exception_handler(StockError)
def _stock_error(request: HttpRequest, error: StockError) -> HttpResponse:
    return response(Problem(error.status, error.code, str(error), retry_after_s=error.retry_after_s, **error.members()))


@api.exception_handler(AuthenticationError)
def _unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return response(Problem(401, "invalid_token", "A valid bearer token is needed."))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [{"where": [str(step) for step in item["loc"]], "what": item["msg"]} for item in error.errors]
    return response(Problem(422, "invalid_request", "The request does not have the documented form.", errors=errors))


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    return response(Problem(error.status_code, "bad_request", str(error)))


@api.exception_handler(TooManyLogins)
def _too_many_logins(request: HttpRequest, error: TooManyLogins) -> HttpResponse:
    return response(Problem(503, "overload", "Too many logins at once.", retry_after_s=error.retry_after_s))


@api.exception_handler(TooManyTries)
def _too_many_tries(request: HttpRequest, error: TooManyTries) -> HttpResponse:
    problem = Problem(429, "too_many_tries", str(error), retry_after_s=error.reset_s, headers=error.headers())
    return response(problem)


@api.exception_handler(DeadlinePassed)
def _deadline_passed(request: HttpRequest, error: DeadlinePassed) -> HttpResponse:
    return too_late(error)


@api.exception_handler(DatabaseError)
def _database_error(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    return answer(error)
