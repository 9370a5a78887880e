"""HTTP: log in, and the bearer check that the other routers use."""

from django.http import HttpRequest
from ninja import Field, Router, Schema
from ninja.errors import AuthenticationError
from ninja.security import HttpBearer

from service.accounts import tokens
from service.accounts.hashing import authenticate
from service.ops.problems import Problem

router = Router(tags=["accounts"])


class Credentials(Schema):
    username: str = Field(min_length=1, max_length=150)
    password: str = Field(min_length=1, max_length=128)


class TokenOut(Schema):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  # RFC 6750
    expires_in: int


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


@router.post("/token", response=TokenOut, auth=None, summary="Log in")
def create_token(request: HttpRequest, credentials: Credentials) -> TokenOut:
    user = authenticate(credentials.username, credentials.password)
    if user is None:
        raise Problem(401, "invalid_credentials", "The username or the password is wrong.")
    token = tokens.issue(user.pk)
    return TokenOut(access_token=token.text, expires_in=token.ttl_s)
