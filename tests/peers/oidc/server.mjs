// An identity provider in the shape of Microsoft Entra ID: one tenant, three applications, any person.
//
// The server is `oidc-provider`, a certified OpenID Connect server. This file only configures it, and owns the
// hooks by which a test plays the person and the weather. It must never check a token or a proof by itself,
// with one exception: the thumbprint of a certificate, which Entra wants and the standard does not.
//
// Called as: node server.mjs DIRECTORY, where DIRECTORY/node_modules has the server. All else is an object on
// standard input (see oidc.py), because it contains secrets.

import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const installed = createRequire(join(process.argv[2], 'package.json')).resolve('oidc-provider');
const { default: Provider, errors } = await import(pathToFileURL(installed));

const given = JSON.parse(await text(process.stdin));
const issuer = `https://localhost:${given.port}/${given.tenant}/v2.0`;
const mount = new URL(issuer).pathname;

// What the hooks change. `failures` are the next answers to token requests: {status, retryAfter}.
const state = { user: 'user@contoso.test', tokenSeconds: 3600, deviceSeconds: 900, failures: [] };
let requests = []; // the token requests so far: {grant, client, status, at}

// --- who may ask, and for what -------------------------------------------------------------------------------

const RESOURCES = ['https://outlook.office365.com', 'https://outlook.office.com'];
const DAYS_90 = 90 * 24 * 3600;
const OWN_SCOPES = ['openid', 'offline_access', 'profile'];

const certificate = new X509Certificate(given.certificate);
const thumbprint = createHash('sha256').update(certificate.raw).digest('base64url');
const apart = { redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };
const clients = [
  {
    ...apart,
    client_id: given.secretClient,
    client_secret: given.secret,
    token_endpoint_auth_method: 'client_secret_post',
  },
  {
    ...apart,
    client_id: given.certificateClient,
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'PS256',
    jwks: { keys: [{ ...certificate.publicKey.export({ format: 'jwk' }), use: 'sig' }] },
  },
  {
    client_id: given.publicClient,
    application_type: 'native', // a loopback redirect may have any port (RFC 8252 §7.3)
    token_endpoint_auth_method: 'none',
    redirect_uris: ['http://localhost', 'http://127.0.0.1'],
    response_types: ['code'],
    grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  },
];

// Entra takes the resource from the scope, and knows no parameter for it.
function resourceOf(scope) {
  const named = (scope ?? '').split(' ').find((word) => URL.canParse(word));
  return named && new URL(named).origin;
}

function resourceServer(resource, client) {
  if (!RESOURCES.includes(resource)) throw new errors.InvalidTarget();
  const delegated = client.clientId === given.publicClient ? ` ${resource}/POP.AccessAsUser.All` : '';
  return {
    audience: resource,
    scope: `${resource}/.default${delegated}`,
    accessTokenTTL: state.tokenSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
}

function claimsOf(token) {
  const who = token.accountId
    ? { idtyp: 'user', upn: token.accountId, scp: 'POP.AccessAsUser.All' }
    : { idtyp: 'app', roles: ['POP.AccessAsApp'] };
  return { tid: given.tenant, appid: token.clientId, ...who };
}

const signing = createPrivateKey(given.signingKey).export({ format: 'jwk' });
const provider = new Provider(issuer, {
  clients,
  jwks: { keys: [{ ...signing, kid: given.keyId, use: 'sig', alg: 'RS256' }] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  scopes: OWN_SCOPES,
  claims: { openid: ['sub'], profile: ['preferred_username', 'tid'] },
  conformIdTokenClaims: false, // Entra's ID tokens say who it is, too
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, tid: given.tenant }),
  }),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, _, among) => (among ? among[0] : resourceOf(ctx.oidc.params.scope)),
      getResourceServerInfo: (_, resource, client) => resourceServer(resource, client),
      useGrantedResource: () => true,
    },
  },
  clientBasedCORS: () => false,
  extraTokenClaims: (_, token) => claimsOf(token),
  // Dovecot 2.3 takes only this type; Entra writes it, too.
  formats: { customizers: { jwt: (_, __, token) => { token.header = { ...token.header, typ: 'JWT' }; } } },
  assertJwtClientAuthClaimsAndHeader: (_, __, header) => {
    // The library msal pads it, which RFC 7515 §2 forbids, and Entra bears.
    const said = header['x5t#S256']?.replace(/=+$/, '');
    if (said !== thumbprint) throw new errors.InvalidClientAuth('certificate not registered');
  },
  // Stricter than Entra: a refresh token that is used again ends the sign-in (RFC 9700 §4.14.2).
  rotateRefreshToken: true,
  issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
  expiresWithSession: () => false,
  interactions: { url: (_, interaction) => `${mount}/sign-in/${interaction.uid}` },
  ttl: {
    AccessToken: () => state.tokenSeconds,
    ClientCredentials: () => state.tokenSeconds,
    DeviceCode: () => state.deviceSeconds,
    RefreshToken: DAYS_90,
    Grant: DAYS_90,
    Session: DAYS_90,
    Interaction: 3600,
    IdToken: 3600,
  },
});
// Entra tells how often to ask whether the person is done. A person in a test is fast.
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path === '/device/auth' && ctx.status === 200) ctx.body = { ...ctx.body, interval: 1 };
});
provider.on('server_error', (_, error) => console.error(error));
for (const event of ['grant.success', 'grant.error']) {
  provider.on(event, ({ req, oidc }, error) => {
    Object.assign(req.noted, { grant: oidc.params?.grant_type, client: oidc.params?.client_id });
    // More than the client is told. It names no secret.
    if (error) console.error(`${error.error}: ${error.error_detail ?? error.error_description}`);
  });
}

// --- the person, who consents to everything asked ------------------------------------------------------------

async function consent(accountId, { client_id: clientId, scope, resource }) {
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(OWN_SCOPES.join(' '));
  for (const one of [resource ?? []].flat()) grant.addResourceScope(one, scope);
  return grant.save();
}

async function signIn(req, res) {
  const { params } = await provider.interactionDetails(req, res);
  const result = state.user
    ? { login: { accountId: state.user }, consent: { grantId: await consent(state.user, params) } }
    : { error: 'access_denied', error_description: 'the person said no' };
  await provider.interactionFinished(req, res, result);
}

// A person has typed this device code. Without a `user`, they said no.
async function answerDevice({ code: typed, user }) {
  const code = await provider.DeviceCode.findByUserCode(typed.replace(/\W/g, ''));
  if (!code) throw new Error('no such device code');
  const { scope, resource } = code.params;
  Object.assign(
    code,
    user
      ? { accountId: user, grantId: await consent(user, code.params), scope, resource }
      : { error: 'access_denied', errorDescription: 'the person said no' },
  );
  await code.save();
}

// --- the ways in: the hooks, the sign-in page, and the server ------------------------------------------------

const HOOKS = {
  'GET /_test/requests': () => requests,
  'POST /_test/state': (change) => { Object.assign(state, change); },
  'POST /_test/forget': () => { requests = []; },
  'POST /_test/device': answerDevice,
};

async function hook(req, res, answer) {
  const said = await answer(req.method === 'POST' ? await json(req) : undefined);
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify(said ?? {}));
}

function fail(req, res, { status, retryAfter }) {
  req.resume();
  if (retryAfter !== undefined) res.setHeader('Retry-After', retryAfter);
  res.writeHead(status, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify({ error: 'temporarily_unavailable', error_description: 'made to fail by a test' }));
}

const serve = provider.callback();

async function handle(req, res) {
  const url = new URL(req.url, issuer);
  const answer = HOOKS[`${req.method} ${url.pathname}`];
  if (answer) return hook(req, res, answer);
  if (url.pathname.startsWith(`${mount}/sign-in/`)) return signIn(req, res);
  if (!url.pathname.startsWith(`${mount}/`)) return res.writeHead(404).end();
  if (url.pathname === `${mount}/token`) {
    req.noted = { at: Date.now() / 1000 };
    requests.push(req.noted);
    res.on('finish', () => { req.noted.status = res.statusCode; });
    if (state.failures.length) return fail(req, res, state.failures.shift());
  }
  // Otherwise the standard keeps offline_access back. Entra does not, and knows prompts of its own.
  if (url.pathname === `${mount}/auth`) url.searchParams.set('prompt', 'consent');
  req.baseUrl = mount;
  req.url = url.pathname.slice(mount.length) + url.search;
  return serve(req, res);
}

createServer({ key: given.tlsKey, cert: given.tlsCertificate }, (req, res) => {
  handle(req, res).catch((error) => {
    console.error(error);
    if (!res.headersSent) res.writeHead(500);
    res.end(String(error));
  });
}).listen(given.port, '127.0.0.1');
