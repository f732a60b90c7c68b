"""Verifies an access token of Latchkey by its public keys alone, without asking it about the token.

    pip install 'pyjwt[crypto]'
    python verify.py https://auth.example.com latchkey "$TOKEN"
"""

import sys

import jwt

issuer, audience, token = sys.argv[1:]
# Keeps the keys for five minutes, and asks again for one that it does not know.
keys = jwt.PyJWKClient(issuer + "/.well-known/jwks.json", lifespan=300)


def verify(token):
    """The claims. `sub` is the user, `tid` the tenant, `kuid` the API key if the token was born of one.

    Raises jwt.InvalidTokenError for a token that does not hold. One that was revoked holds for up to 15 minutes more.
    """
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=issuer,
        audience=audience,
        leeway=5,
        options={"require": ["iss", "aud", "sub", "tid", "iat", "nbf", "exp", "jti"]},
    )


try:
    print(verify(token))
except (jwt.InvalidTokenError, jwt.PyJWKClientError) as error:
    sys.exit(f"refused: {error}")
