/** `mcpServers` in the forms that MCP clients use, made into one form; variables expanded. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import type { z } from 'zod';
import { BUILTIN_SERVER, Secret, isObject, messageOf, printable } from '../../core/index.ts';
import type { JsonObject, SecretPiece } from '../../core/index.ts';
import { plainEntry } from './client-entries.ts';
import { ITSELF, isStarlingItself } from './own-entry.ts';
import { explain } from '../problems.ts';
import type { Problem } from '../problems.ts';
import { mcpServerSchema } from '../schema/server-schema.ts';
import { SECRET_NAME_FORM, isSecretName } from '../secret-name.ts';
import type {
  ClientTls,
  HttpServer,
  McpServer,
  ServerOAuth,
  SseServer,
  StdioServer,
  UnusableServer,
} from '../server-types.ts';

type Entry = z.output<typeof mcpServerSchema>;
type Base = Pick<
  McpServer,
  'timeoutMs' | 'shared' | 'sessions' | 'peerRoots' | 'listed' | 'idleMs' | 'restart' | 'remarks'
>;

/** What the entries are read with. */
export interface ReadServersInit {
  readonly env: NodeJS.ProcessEnv;
  readonly callTimeoutMs: number;
}

/** What came of one entry. */
export interface ReadServer {
  /** Absent when the entry can't be used; {@link problems} say why. */
  readonly server?: McpServer;
  readonly isDisabled: boolean;
  readonly problems: readonly Problem[];
  readonly remarks: readonly string[];
}

/** Our own keys of an entry. */
const OUR_KEYS = Object.keys(mcpServerSchema.shape);
const NAME_MAX = 32;
const SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
/** `${NAME}` and `${NAME:-default}`, as in POSIX shells; some clients write `${env:NAME}`. */
const VARIABLE = /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;
/** `$NAME` alone is a variable to Gemini CLI and Copilot. */
const BARE_VARIABLE = /^\$([A-Z_][A-Z0-9_]*)$/;
/** `${secret:NAME}`: a secret that the node keeps. */
const SECRET = /\$\{secret:([^}]*)\}/g;
/** The passphrase of the key is for us alone, whatever a file asks for. */
const OURS_ALONE = 'STARLING_PASSPHRASE';
const ENV_LINE = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;
const HTTP_TYPES = ['http', 'streamable-http', 'streamableHttp', 'streamable_http'];
/** Host names that mean this machine: there a token may travel without TLS. */
const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const ENV_FILE_BYTES_MAX = 1024 * 1024;

/**
 * The servers that are not disabled, by name. An entry that can't be used is a server that fails, and the
 * rest runs. No value is in a text.
 */
export function readMcpServers(
  entries: Readonly<Record<string, unknown>>,
  init: ReadServersInit,
): Readonly<Record<string, McpServer>> {
  const servers: Record<string, McpServer> = {};
  const names = namesOf(Object.keys(entries));
  for (const [written, value] of Object.entries(entries)) {
    if (value === null) continue;
    const name = names.get(written) ?? written;
    const read = readEntry(written, value, init);
    if (read.isDisabled) continue;
    const renamed =
      name === written ? [] : [`it is called '${name}' here; in the file '${printable(written)}'`];
    const remarks = [...renamed, ...read.remarks];
    const texts = read.problems.map(({ key, text }) => `${key}: ${text}`);
    // By another name a person may well mean another node of theirs.
    if (isBuiltin(written) && isStarlingItself(value)) texts.unshift(ITSELF);
    const server =
      texts.length === 0 && read.server !== undefined ? read.server : unusable(texts, init);
    servers[name] = remarks.length === 0 ? server : { ...server, remarks };
  }
  return servers;
}

/** Reads one entry, as the client wrote it. */
export function readEntry(written: string, value: unknown, init: ReadServersInit): ReadServer {
  const key = `mcpServers.${printable(written)}`;
  if (!isObject(value)) {
    const problems = [{ key, text: "this value can't be used; allowed: an object { … }" }];
    return { isDisabled: false, problems, remarks: [] };
  }
  const { entry, remarks } = plainEntry(value as JsonObject, OUR_KEYS);
  const isDisabled = entry['disabled'] === true || entry['enabled'] === false;
  const parsed = mcpServerSchema.safeParse(entry);
  if (!parsed.success) {
    const tree = { mcpServers: { [written]: entry } };
    const problems = parsed.error.issues.flatMap((issue) =>
      explain({ ...issue, path: ['mcpServers', written, ...issue.path] }, tree),
    );
    return { isDisabled, problems, remarks };
  }
  const problems: Problem[] = [];
  const all = [...remarks];
  const reader = new EntryReader(key, init.env, { problems, remarks: all });
  const server = reader.read(parsed.data, init.callTimeoutMs);
  return { ...(server === undefined ? {} : { server }), isDisabled, problems, remarks: all };
}

/** What a server is called here whose name in a file is `written`, unless another one has that name. */
export function serverName(written: string): string {
  const name = fitName(written);
  // The name of the built-in server stays that one's.
  return name.toLowerCase() === BUILTIN_SERVER ? `${name}-2` : name;
}

function fitName(written: string): string {
  const fit = written
    .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
    .replaceAll(/_{2,}/g, '_')
    .replaceAll(/^[-_]+/g, '')
    .slice(0, NAME_MAX)
    .replaceAll(/[-_]+$/g, '');
  // A name that can be used stays as it is: `a_` and `a-` are names.
  if (SERVER_NAME.test(written) && !written.includes('__')) return written;
  return fit === '' ? 'server' : fit;
}

/** Why a server can't be called so; undefined when it can. `__` separates server and tool. */
export function wrongName(written: string): string | undefined {
  if (!SERVER_NAME.test(written.replaceAll(/_{2,}/g, '_'))) {
    return 'a server is named by 1 to 32 of A-Z, a-z, 0-9, - and _';
  }
  return isBuiltin(written) ? RESERVED : undefined;
}

const RESERVED = `'${BUILTIN_SERVER}' is the built-in server; choose another name`;

function isBuiltin(written: string): boolean {
  return fitName(written).toLowerCase() === BUILTIN_SERVER;
}

/** The names of all: those that can be used as they are come first, and none hides another. */
function namesOf(all: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const used = new Set<string>([BUILTIN_SERVER]);
  const isOurs = (written: string): boolean =>
    serverName(written) === written && !isBuiltin(written);
  for (const written of [...all.filter(isOurs), ...all.filter((one) => !isOurs(one))]) {
    const wanted = fitName(written);
    let name = wanted;
    for (let count = 2; used.has(name.toLowerCase()); count += 1) {
      const end = `-${count}`;
      name = wanted.slice(0, NAME_MAX - end.length) + end;
    }
    // Two names that differ in case alone are two servers, where both can be used as they are.
    used.add(isOurs(written) ? name : name.toLowerCase());
    names.set(written, name);
  }
  return names;
}

function unusable(problems: readonly string[], { callTimeoutMs }: ReadServersInit): UnusableServer {
  const { shared, peerRoots, idleTimeout } = mcpServerSchema.parse({});
  return {
    type: 'unusable',
    problems,
    timeoutMs: callTimeoutMs,
    shared,
    peerRoots,
    idleMs: idleTimeout,
  };
}

class EntryReader {
  readonly #key: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #problems: Problem[];
  readonly #remarks: string[];

  constructor(
    key: string,
    env: NodeJS.ProcessEnv,
    found: { readonly problems: Problem[]; readonly remarks: string[] },
  ) {
    this.#key = key;
    this.#env = env;
    this.#problems = found.problems;
    this.#remarks = found.remarks;
  }

  read(entry: Entry, callTimeoutMs: number): McpServer | undefined {
    const url = entry.url ?? entry.serverUrl ?? entry.httpUrl;
    const type = entry.type ?? entry.transport ?? entry.transportType;
    if (entry.command !== undefined && url !== undefined) {
      return this.#wrong('', 'give it either a `command` or a `url`');
    }
    if (entry.shared && entry.sessions !== undefined) {
      this.#wrong('sessions', 'give it either `sessions` or `shared`');
    }
    const base = {
      ...(entry.sessions === undefined ? {} : { sessions: entry.sessions }),
      timeoutMs: entry.timeout ?? callTimeoutMs,
      shared: entry.shared,
      peerRoots: entry.peerRoots,
      ...(entry.listed ? { listed: true as const } : {}),
      idleMs: entry.idleTimeout,
      ...(entry.restart === 'asked' ? { restart: entry.restart } : {}),
    };
    if (type === 'stdio' || (type === undefined && entry.command !== undefined)) {
      return this.#stdio(entry, base);
    }
    if (entry.sandbox !== undefined)
      this.#wrong('sandbox', 'only a server with a `command` has one');
    if (type === 'sse') return this.#remote('sse', entry, url, base);
    if (type === undefined ? url !== undefined : HTTP_TYPES.includes(type)) {
      return this.#remote('http', entry, url, base);
    }
    if (type === undefined) return this.#wrong('', 'give it a `command`, or a `url`');
    return this.#wrong('type', `'${type}' is no transport; allowed: stdio, http, sse`);
  }

  #stdio(entry: Entry, base: Base): StdioServer | undefined {
    if (entry.command === undefined) return this.#wrong('command', 'a stdio server needs one');
    for (const part of ['oauth', 'tls'] as const) {
      if (entry[part] !== undefined) this.#wrong(part, 'only a server at a `url` has one');
    }
    const env: Record<string, Secret> = {};
    if (entry.envFile !== undefined) Object.assign(env, this.#envFile(entry.envFile));
    Object.assign(env, this.#secrets('env', entry.env ?? {}));
    return {
      type: 'stdio',
      command: this.#fromHome('command', entry.command),
      args: (entry.args ?? []).map((arg, index) => this.#expand(`args[${index}]`, arg)),
      env,
      ...(entry.cwd === undefined ? {} : { cwd: this.#fromHome('cwd', entry.cwd) }),
      ...this.#sandbox(entry.sandbox),
      ...base,
    };
  }

  #sandbox(written: Entry['sandbox']): Pick<StdioServer, 'sandbox'> {
    if (written === undefined || written === true) return {};
    if (written === false) return { sandbox: false };
    const { write, read, network, required, reach = [] } = written;
    const paths = (part: 'write' | 'read' | 'reach', given: readonly string[]) =>
      given.map((path, index) => this.#path(`sandbox.${part}[${index}]`, path));
    return {
      sandbox: {
        ...(write === undefined ? {} : { write: paths('write', write) }),
        ...(read === undefined ? {} : { read: paths('read', read) }),
        network,
        ...(required ? { required: true } : {}),
        reach: paths('reach', reach),
      },
    };
  }

  /** A path as a shell has it, which no program does: `~` at its beginning is the home folder. */
  #fromHome(part: string, written: string): string {
    return this.#expand(part, written).replace(/^~(?=\/|$)/, homedir());
  }

  /** A path from the root or, with `~/`, from the home folder. */
  #path(part: string, written: string): string {
    const path = this.#fromHome(part, written);
    if (isAbsolute(path)) return resolve(path);
    this.#wrong(part, 'this path depends on a folder; begin it with / or ~/');
    return path;
  }

  #remote(
    type: 'http' | 'sse',
    entry: Entry,
    written: string | undefined,
    base: Base,
  ): HttpServer | SseServer | undefined {
    if (written === undefined) return this.#wrong('url', `an ${type} server needs one`);
    const headers = this.#secrets('headers', entry.headers ?? {});
    this.#noteTwins(Object.keys(headers));
    for (const [name, value] of Object.entries(headers)) {
      if (!isHeader(name, value)) this.#wrong(`headers.${name}`, 'it is no HTTP header');
    }
    const url = this.#expand('url', written);
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
      return this.#wrong('url', "this value can't be used; allowed: an http:// or https:// URL");
    }
    if (parsed.username !== '' || parsed.password !== '') {
      return this.#wrong('url', 'it holds a user name or password; send it by `headers` instead');
    }
    const oauth = entry.oauth === undefined ? {} : { oauth: this.#oauth(entry.oauth, headers) };
    const tls = entry.tls === undefined ? {} : { tls: this.#tls(entry.tls, parsed) };
    return { type, url, headers, ...oauth, ...tls, ...base };
  }

  #tls({ ca, cert, key }: NonNullable<Entry['tls']>, { protocol }: URL): ClientTls {
    if (protocol !== 'https:') this.#wrong('tls', 'only an https:// URL has one');
    if (cert !== undefined && key === undefined) this.#wrong('tls.key', 'a certificate needs one');
    if (cert === undefined && key !== undefined) this.#wrong('tls.cert', 'a key needs one');
    const path = (part: 'ca' | 'cert', written: string | undefined): ClientTls =>
      written === undefined ? {} : { [part]: this.#path(`tls.${part}`, written) };
    return { ...path('cert', cert), ...this.#tlsKey(key), ...path('ca', ca) };
  }

  /** A secret is the key itself, and everything else says where the key is. */
  #tlsKey(written: string | undefined): Pick<ClientTls, 'key' | 'keyFile'> {
    if (written === undefined) return {};
    if (written.startsWith('${secret:')) return { key: this.#secret('tls.key', written) };
    if (!written.includes('-----BEGIN')) return { keyFile: this.#path('tls.key', written) };
    this.#wrong(
      'tls.key',
      'no key stands here; name its file, or keep it by `starling secret set NAME` and write ${secret:NAME}',
    );
    return {};
  }

  #oauth(
    entry: NonNullable<Entry['oauth']>,
    headers: Readonly<Record<string, Secret>>,
  ): ServerOAuth {
    const { grant, clientId, clientSecret, tokenUrl, callbackPort } = entry;
    if (Object.keys(headers).some((name) => name.toLowerCase() === 'authorization')) {
      this.#wrong('oauth', 'it sets the header Authorization; leave that out of `headers`');
    }
    if (grant === 'client_credentials') {
      if (clientId === undefined) this.#wrong('oauth.clientId', `${grant} needs one`);
      if (clientSecret === undefined) this.#wrong('oauth.clientSecret', `${grant} needs one`);
      if (callbackPort !== undefined) this.#wrong('oauth.callbackPort', `${grant} has no redirect`);
    }
    return {
      grant,
      ...(clientId === undefined ? {} : { clientId: this.#expand('oauth.clientId', clientId) }),
      ...(clientSecret === undefined
        ? {}
        : { clientSecret: this.#secret('oauth.clientSecret', clientSecret) }),
      scopes: entry.scopes,
      ...(tokenUrl === undefined ? {} : { tokenUrl: this.#tokenUrl(tokenUrl) }),
      ...(callbackPort === undefined ? {} : { callbackPort }),
    };
  }

  #tokenUrl(written: string): string {
    const url = this.#expand('oauth.tokenUrl', written);
    const { protocol, hostname } = URL.canParse(url) ? new URL(url) : new URL('about:blank');
    if (protocol !== 'https:' && !(protocol === 'http:' && LOOPBACK.test(hostname))) {
      this.#wrong('oauth.tokenUrl', "this value can't be used; allowed: an https:// URL");
    }
    return url;
  }

  /** Names of headers are equal in any case (RFC 9110 §5.1). */
  #noteTwins(names: readonly string[]): void {
    const seen = new Map<string, string>();
    for (const name of names) {
      const before = seen.get(name.toLowerCase());
      seen.set(name.toLowerCase(), name);
      if (before !== undefined) {
        this.#remarks.push(`headers: ${before} and ${name} are one header; the later one counts`);
      }
    }
  }

  #secrets(part: string, values: Readonly<Record<string, string>>): Record<string, Secret> {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, this.#secret(`${part}.${name}`, value)]),
    );
  }

  /** A value that is never shown, so that secrets which the node keeps may stand in it. */
  #secret(part: string, written: string): Secret {
    const text = this.#withBareVariable(part, written);
    const pieces: SecretPiece[] = [];
    let from = 0;
    for (const match of text.matchAll(SECRET)) {
      const before = text.slice(from, match.index);
      const [whole, name = ''] = match;
      if (before.lastIndexOf('${') > before.lastIndexOf('}')) {
        this.#wrong(part, "a secret can't be in another ${…}");
      }
      if (!isSecretName(name)) {
        this.#wrong(part, `a secret is named by ${SECRET_NAME_FORM}`);
      }
      pieces.push(this.#variables(part, before), { secret: name });
      from = match.index + whole.length;
    }
    const rest = text.slice(from);
    if (rest.includes('${secret:')) this.#wrong(part, "a ${secret:… lacks its '}'");
    return new Secret([...pieces, this.#variables(part, rest)]);
  }

  #withBareVariable(part: string, written: string): string {
    const [, name] = BARE_VARIABLE.exec(written) ?? [];
    if (name === undefined) return written;
    if (this.#env[name] !== undefined) return `\${${name}}`;
    this.#remarks.push(`${part}: no variable ${name} is set, so that the text $${name} is meant`);
    return written;
  }

  #envFile(path: string): Record<string, Secret> {
    try {
      const text = readFileSync(this.#fromHome('envFile', path), 'utf8');
      if (text.length > ENV_FILE_BYTES_MAX) throw new Error('it is over 1 MiB');
      return this.#envLines(text);
    } catch (error) {
      this.#wrong('envFile', `can't be read: ${messageOf(error)}`);
      return {};
    }
  }

  #envLines(text: string): Record<string, Secret> {
    const values: Record<string, Secret> = {};
    for (const [index, written] of text.split('\n').entries()) {
      const line = written.trim();
      if (line === '' || line.startsWith('#')) continue;
      const [, name, value = ''] = ENV_LINE.exec(line) ?? [];
      if (name === undefined) this.#wrong('envFile', `its line ${index + 1} is not KEY=VALUE`);
      else values[name] = new Secret(unquote(value));
    }
    return values;
  }

  #expand(part: string, text: string): string {
    if (text.includes('${secret:')) {
      this.#wrong(
        part,
        'others could see a secret here (in lists of processes, logs); put it into `env`, `headers`, `oauth.clientSecret` or `tls.key`',
      );
    }
    return this.#variables(part, text);
  }

  #variables(part: string, text: string): string {
    if (text.includes('\0')) this.#wrong(part, 'it holds the character U+0000');
    if (text.includes('${input:')) {
      this.#wrong(part, 'nobody can be asked for an ${input:…} here; use ${VARIABLE}');
    }
    return text.replaceAll(VARIABLE, (_, name: string, fallback: string | undefined) => {
      if (name === 'userHome') return homedir();
      const value = name === OURS_ALONE ? undefined : this.#env[name];
      if (value !== undefined && (value !== '' || fallback === undefined)) return value;
      if (fallback !== undefined) return fallback;
      this.#problems.push({
        key: `${this.#key}.${part}`,
        text: `the environment variable ${name} is not set; set it, or write \${${name}:-default}`,
        variable: name,
      });
      return '';
    });
  }

  #wrong(part: string, text: string): undefined {
    const key = part === '' ? this.#key : `${this.#key}.${part}`;
    this.#problems.push({ key, text });
    return undefined;
  }
}

function isHeader(name: string, value: Secret): boolean {
  try {
    // What a secret that is kept elsewhere holds is checked when it is sent.
    const text = value.bind(() => 'x').reveal();
    return new Headers([[name, text]]).has(name);
  } catch (error) {
    // Its message quotes the value, which may be secret.
    if (error instanceof TypeError) return false;
    throw error;
  }
}

function unquote(value: string): string {
  const match = /^(["'])(.*)\1$/.exec(value);
  return match?.[2] ?? value;
}
