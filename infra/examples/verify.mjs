// Verifies an access token of Latchkey by its public keys alone, without asking it about the token.
//
//     npm install jose
//     node verify.mjs https://auth.example.com latchkey "$TOKEN"

import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, audience, token] = process.argv.slice(2);
// Keeps the keys for five minutes, and asks again for one that it does not know.
const keys = createRemoteJWKSet(new URL(issuer + "/.well-known/jwks.json"), { cacheMaxAge: 300_000 });

// The claims. `sub` is the user, `tid` the tenant, `kuid` the API key if the token was born of one. Throws for a token that does
// not hold. One that was revoked holds for up to 15 minutes more.
async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    algorithms: ["ES256"],
    typ: "at+jwt",
    issuer,
    audience,
    clockTolerance: 5,
    requiredClaims: ["sub", "tid", "iat", "nbf", "exp", "jti"],
  });
  return payload;
}

try {
  console.log(await verify(token));
} catch (error) {
  console.error("refused:", error.message);
  process.exit(1);
}
