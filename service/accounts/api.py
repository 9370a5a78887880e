"""HTTP: log in, stay logged in, log out, and the bearer check that the other routers use."""

from django.http import HttpRequest, HttpResponse
from ninja import Field, Router, Schema
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer

from service.accounts import sessions, tokens
from service.accounts.login import log_in
from service.config.environment import environment
from service.ops.fields import Text
from service.ops.problems import Problem, documented

router = Router(tags=["accounts"])


class Credentials(Schema):
    username: Text = Field(min_length=1, max_length=150)
    password: str = Field(min_length=1, max_length=128)


class RefreshIn(Schema):
    refresh_token: str = Field(min_length=1, max_length=128)


class RevokeIn(RefreshIn):
    everywhere: bool = Field(default=False, strict=True)


class TokenOut(Schema):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  # RFC 6750
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


class BearerToken(HttpBearer):
    """Sets ``request.auth`` to the id of the user that the access token speaks for."""

    def authenticate(self, request: HttpRequest, token: str) -> int | None:
        try:
            return tokens.verify(token)
        except tokens.InvalidToken:
            return None


def bearer(request: HttpRequest) -> int:
    """The id of the user that the request's access token speaks for.

    Raises:
        AuthenticationError: There is none, or it is not valid.
    """
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationError
    try:
        return tokens.verify(token)
    except tokens.InvalidToken:
        raise AuthenticationError from None


@router.post(
    "/token",
    response=TokenOut,
    auth=None,
    summary="Log in",
    openapi_extra=documented({401: ["invalid_credentials"], 429: ["too_many_tries"], 503: ["overload"]}),
)
def create_token(request: HttpRequest, response: HttpResponse, credentials: Credentials) -> TokenOut:
    user = log_in(request, credentials.username, credentials.password)
    if user is None:
        raise Problem(401, "invalid_credentials", "The username or the password is wrong.")
    return _tokens(response, user.pk, sessions.begin(user.pk))


@router.post(
    "/token/refresh",
    response=TokenOut,
    auth=None,
    summary="Exchange a refresh token for new tokens; it can be used once",
    openapi_extra=documented({401: ["invalid_refresh_token"], 409: ["already_refreshed"]}),
)
def refresh_token(request: HttpRequest, response: HttpResponse, given: RefreshIn) -> TokenOut:
    try:
        found = sessions.refresh(given.refresh_token)
    except sessions.InvalidRefreshToken:
        raise Problem(401, "invalid_refresh_token", "The refresh token is not good any more: log in again.") from None
    except sessions.AlreadyRefreshed:
        detail = "The refresh token was used a moment ago: use the tokens that came then."
        raise Problem(409, "already_refreshed", detail) from None
    return _tokens(response, found.user_id, found.refresh_token)


@router.post(
    "/token/revoke",
    response={204: None},
    auth=None,
    summary="Log out of this session, or of all; also 204 for a token that is not good any more (RFC 7009)",
    openapi_extra=documented({}),
)
def revoke_token(request: HttpRequest, given: RevokeIn) -> tuple[int, None]:
    sessions.end(given.refresh_token, everywhere=given.everywhere)
    return 204, None


def _tokens(response: HttpResponse, user_id: int, refresh_token: str) -> TokenOut:
    response["Cache-Control"] = "no-store"  # RFC 6749, section 5.1
    access = tokens.issue(user_id)
    return TokenOut(
        access_token=access.text,
        expires_in=access.ttl_s,
        refresh_token=refresh_token,
        refresh_expires_in=environment().refresh_token_ttl_s,
    )
