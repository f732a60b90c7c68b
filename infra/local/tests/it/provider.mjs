// A strict OpenID Connect provider, with its own login and consent pages, for the tests in a browser.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

// The library writes its notices here, and standard output belongs to the LISTENING line.
console.info = console.error;

const { clients } = JSON.parse(process.env.PROVIDER);
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

function findAccount(ctx, login) {
  const [name, domain] = login.split('@');
  const givenName = name.charAt(0).toUpperCase() + name.slice(1);
  const claims = {
    sub: login,
    email: domain === undefined ? `${login}@northwind.example` : login,
    email_verified: !login.startsWith('unverified'),
    given_name: givenName,
    family_name: 'Berg',
    name: `${givenName} Berg`,
  };
  return { accountId: login, claims: () => claims };
}

const configuration = {
  clients: clients.map((client) => ({
    client_id: client.id,
    client_secret: client.secret,
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: 'RS256',
    response_types: ['code'],
    grant_types: ['authorization_code'],
    redirect_uris: [client.redirectUri],
    post_logout_redirect_uris: [client.logoutUri],
  })),
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
  // S256 is the only method that the library knows.
  pkce: { required: () => true },
  findAccount,
  claims: {
    email: ['email', 'email_verified'],
    profile: ['given_name', 'family_name', 'name'],
  },
  conformIdTokenClaims: true,
  features: {
    devInteractions: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    userinfo: { enabled: true },
  },
};

// The issuer has the port in it, so the port comes first.
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  // The pages would load a font from the internet, and a test has nothing to do there.
  provider.use(async (ctx, next) => {
    await next();
    if (ctx.response.is('html')) ctx.body = ctx.body.replace(/@import url\([^)]*\);/, '');
  });
  server.on('request', provider.callback());
  console.log(`LISTENING ${issuer}`);
});

// The test holds the other end: however it ends, this ends with it.
process.stdin.resume().on('end', () => process.exit()).on('error', () => process.exit());
