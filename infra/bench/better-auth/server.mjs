// An application on Better Auth whose route `/check` asks for an API key: the counterpart that Latchkey is measured
// beside.
//
//   node server.mjs --directory DIR --out FILE [--port 0] [--keys 1000] [--storage database|memory]
//
// `database` is the plugin's default: a check reads the key in SQLite and writes to it twice. `memory` keeps the keys
// in a secondary storage that is a map in this process, the fastest that there can be: no check touches SQLite.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";

// Better Auth reads it while it is loaded: no static import may come before.
process.env.NODE_ENV = "production";
const { betterAuth } = await import("better-auth");
const { getMigrations } = await import("better-auth/db/migration");
const { toNodeHandler } = await import("better-auth/node");
const { apiKey } = await import("@better-auth/api-key");
const { default: Database } = await import("better-sqlite3");

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
// With `memory` every check parses the list of all keys of the key's user, so one user with all of them would be unfair.
const KEYS_PER_USER = 10;
const MAX_IN_FILE = 1000;

const { values: options } = parseArgs({
  options: {
    directory: { type: "string" },
    out: { type: "string" },
    port: { type: "string", default: process.env.PORT ?? "0" },
    keys: { type: "string", default: "1000" },
    storage: { type: "string", default: "database" },
  },
});
if (!options.directory || !options.out || !["database", "memory"].includes(options.storage)) {
  console.error("usage: server.mjs --directory DIR --out FILE [--port 0] [--keys 1000] [--storage database|memory]");
  process.exit(2);
}

// The port comes first, since the origin that Better Auth accepts requests from names it.
const server = createServer();
await new Promise((listening) => server.listen(Number(options.port), "127.0.0.1", listening));
const { port } = server.address();

const database = open(options.directory);
const memory = new Map();
const auth = betterAuth({
  baseURL: `http://127.0.0.1:${port}`,
  secret: randomBytes(32).toString("base64url"),
  database,
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [apiKey({ rateLimit: { enabled: false }, ...storage() })],
});
await (await getMigrations(auth.options)).runMigrations();

const { user, cookie } = await signUp();
const keys = await makeKeys(user.id, Number(options.keys));
writeFileSync(options.out, JSON.stringify({ keys: keys.slice(0, MAX_IN_FILE), cookie }));

const betterAuthHandler = toNodeHandler(auth);
server.on("request", (request, response) => {
  if (request.url === "/check") check(request, response).catch(() => answer(response, 500, {}));
  else if (request.url.startsWith("/api/auth/")) betterAuthHandler(request, response);
  else answer(response, 404, {});
});
console.log(`listening ${port}`);

/** The shortest way to protect a route with the plugin. */
async function check(request, response) {
  const { valid } = await auth.api.verifyApiKey({ body: { key: request.headers["x-api-key"] ?? "" } });
  answer(response, valid ? 200 : 401, { valid });
}

function answer(response, status, body) {
  response.statusCode = status;
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}

/** An empty database: what an earlier run left would be measured too. */
function open(directory) {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "better-auth.sqlite");
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
  const database = new Database(path);
  database.pragma("journal_mode = WAL");
  return database;
}

function storage() {
  if (options.storage === "database") return { storage: "database" };
  const customStorage = {
    get: (name) => memory.get(name) ?? null,
    set: (name, value) => void memory.set(name, value),
    delete: (name) => void memory.delete(name),
  };
  return { storage: "secondary-storage", customStorage };
}

async function signUp() {
  const body = { name: "Bench", email: "bench@example.com", password: randomBytes(24).toString("base64url") };
  const { headers, response } = await auth.api.signUpEmail({ body, returnHeaders: true });
  const cookie = headers.getSetCookie().map((line) => line.split(";")[0]).join("; ");
  return { user: response.user, cookie };
}

/** The first key is made by the plugin, the others are copies of it with values of their own. */
async function makeKeys(owner, count) {
  const first = await auth.api.createApiKey({ body: { userId: owner } });
  const copies = Array.from({ length: count - 1 }, () => ({ id: randomId(), value: randomKey() }));
  if (options.storage === "database") database.transaction(copyInDatabase)(owner, first.id, copies);
  else copyInMemory(owner, first.id, copies);

  const keys = [first.key, ...copies.map((copy) => copy.value)];
  // The last is a copy: had the plugin another way of storing keys, no key of the run would be valid.
  const { valid } = await auth.api.verifyApiKey({ body: { key: keys.at(-1) } });
  if (!valid) throw new Error("the plugin refuses the copied keys");
  return keys;
}

function copyInDatabase(owner, first, copies) {
  const user = database.prepare("SELECT * FROM user WHERE id = ?").get(owner);
  const key = database.prepare("SELECT * FROM apikey WHERE id = ?").get(first);
  const addUser = insertion("user", user);
  const addKey = insertion("apikey", key);

  for (const [index, copy] of copies.entries()) {
    if ((index + 1) % KEYS_PER_USER === 0) {
      owner = randomId();
      addUser.run({ ...user, id: owner, email: `${owner}@example.com` });
    }
    addKey.run(copied(key, owner, copy));
  }
}

function copyInMemory(owner, first, copies) {
  const key = JSON.parse(memory.get(`api-key:by-id:${first}`));
  let ids = [first];
  for (const [index, copy] of copies.entries()) {
    if ((index + 1) % KEYS_PER_USER === 0) {
      owner = randomId();
      ids = [];
    }
    ids.push(copy.id);
    const stored = copied(key, owner, copy);
    memory.set(`api-key:${stored.key}`, JSON.stringify(stored));
    memory.set(`api-key:by-id:${copy.id}`, JSON.stringify(stored));
    memory.set(`api-key:by-ref:${owner}`, JSON.stringify(ids));
  }
}

function copied(key, owner, { id, value }) {
  const hash = createHash("sha256").update(value).digest("base64url");
  return { ...key, id, key: hash, start: value.slice(0, 6), referenceId: owner };
}

function insertion(table, row) {
  const columns = Object.keys(row);
  const names = columns.map((column) => `"${column}"`);
  return database.prepare(`INSERT INTO ${table} (${names}) VALUES (${columns.map((column) => `@${column}`)})`);
}

function randomId() {
  return randomBytes(24).toString("base64url");
}

function randomKey() {
  return Array.from(randomBytes(64), (byte) => LETTERS[byte % LETTERS.length]).join("");
}
