/** `mcpServers` in the forms that MCP clients use, made into one form; variables expanded. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, resolve } from 'node:path';
import { BUILTIN_SERVER, Secret, messageOf } from '../core/index.ts';
import type { SecretPiece } from '../core/index.ts';
import type { Problem } from './problems.ts';
import type { FileConfig } from './schema.ts';
import { SECRET_NAME_FORM, isSecretName } from './secret-name.ts';
import type { HttpServer, McpServer, ServerOAuth, SseServer, StdioServer } from './types.ts';

type Entry = FileConfig['mcpServers'][string];
type Base = Pick<McpServer, 'timeoutMs' | 'shared' | 'peerRoots' | 'idleMs'>;

const SERVER_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
/** `${NAME}` and `${NAME:-default}`, as in POSIX shells; some clients write `${env:NAME}`. */
const VARIABLE = /\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;
/** `${secret:NAME}`: a secret that the node keeps. */
const SECRET = /\$\{secret:([^}]*)\}/g;
/** The passphrase of the key is for us alone, whatever a file asks for. */
const OURS_ALONE = 'STARLING_PASSPHRASE';
const ENV_LINE = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/;
const HTTP_TYPES = ['http', 'streamable-http', 'streamableHttp', 'streamable_http'];
/** Host names that mean this machine: there a token may travel without TLS. */
const LOOPBACK = /^(localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;
const ENV_FILE_BYTES_MAX = 1024 * 1024;

/** The servers that are not disabled, by name. What is wrong goes to `problems`, never a value. */
export function readMcpServers(
  entries: FileConfig['mcpServers'],
  init: { readonly env: NodeJS.ProcessEnv; readonly callTimeoutMs: number },
  problems: Problem[],
): Readonly<Record<string, McpServer>> {
  const servers: Record<string, McpServer> = {};
  for (const [written, entry] of Object.entries(entries)) {
    const key = `mcpServers.${written}`;
    const name = serverName(written);
    const misnamed = wrongName(written);
    if (misnamed !== undefined) {
      problems.push({ key, text: misnamed });
    } else if (Object.hasOwn(servers, name)) {
      problems.push({ key, text: `two servers are called '${name}'` });
    } else if (entry.disabled !== true && entry.enabled !== false) {
      const reader = new EntryReader(key, init.env, problems);
      const server = reader.read(entry, init.callTimeoutMs);
      if (server !== undefined) servers[name] = server;
    }
  }
  return servers;
}

/** What a server is called: `__` separates server and tool, so that no name may hold it. */
export function serverName(written: string): string {
  return written.replaceAll(/_{2,}/g, '_');
}

/** Why a server can't be called so; undefined when it can. */
export function wrongName(written: string): string | undefined {
  const name = serverName(written);
  if (!SERVER_NAME.test(name)) return 'a server is named by 1 to 32 of A-Z, a-z, 0-9, - and _';
  if (name.toLowerCase() !== BUILTIN_SERVER) return undefined;
  return `'${BUILTIN_SERVER}' is the built-in server; choose another name`;
}

class EntryReader {
  readonly #key: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #problems: Problem[];

  constructor(key: string, env: NodeJS.ProcessEnv, problems: Problem[]) {
    this.#key = key;
    this.#env = env;
    this.#problems = problems;
  }

  read(entry: Entry, callTimeoutMs: number): McpServer | undefined {
    const url = entry.url ?? entry.serverUrl ?? entry.httpUrl;
    const type = entry.type ?? entry.transport ?? entry.transportType;
    if (entry.command !== undefined && url !== undefined) {
      return this.#wrong('', 'give it either a `command` or a `url`');
    }
    const base = {
      timeoutMs: entry.timeout ?? callTimeoutMs,
      shared: entry.shared,
      peerRoots: entry.peerRoots,
      idleMs: entry.idleTimeout,
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
    if (entry.oauth !== undefined) this.#wrong('oauth', 'only a server at a `url` has one');
    const env: Record<string, Secret> = {};
    if (entry.envFile !== undefined) Object.assign(env, this.#envFile(entry.envFile));
    Object.assign(env, this.#secrets('env', entry.env ?? {}));
    return {
      type: 'stdio',
      command: this.#expand('command', entry.command),
      args: (entry.args ?? []).map((arg, index) => this.#expand(`args[${index}]`, arg)),
      env,
      ...(entry.cwd === undefined ? {} : { cwd: this.#expand('cwd', entry.cwd) }),
      ...this.#sandbox(entry.sandbox),
      ...base,
    };
  }

  #sandbox(written: Entry['sandbox']): Pick<StdioServer, 'sandbox'> {
    if (written === undefined || written === true) return {};
    if (written === false) return { sandbox: false };
    const { write, read, network, reach = [] } = written;
    const paths = (part: 'write' | 'read' | 'reach', given: readonly string[]) =>
      given.map((path, index) => this.#path(`sandbox.${part}[${index}]`, path));
    return {
      sandbox: {
        ...(write === undefined ? {} : { write: paths('write', write) }),
        ...(read === undefined ? {} : { read: paths('read', read) }),
        network,
        reach: paths('reach', reach),
      },
    };
  }

  /** A path from the root or, with `~/`, from the home folder. */
  #path(part: string, written: string): string {
    const path = this.#expand(part, written).replace(/^~(?=\/|$)/, homedir());
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
    return { type, url, headers, ...oauth, ...base };
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

  #secrets(part: string, values: Readonly<Record<string, string>>): Record<string, Secret> {
    return Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, this.#secret(`${part}.${name}`, value)]),
    );
  }

  /** A value that is never shown, so that secrets which the node keeps may stand in it. */
  #secret(part: string, text: string): Secret {
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

  #envFile(path: string): Record<string, Secret> {
    try {
      const text = readFileSync(this.#expand('envFile', path), 'utf8');
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
        'others could see a secret here (in lists of processes, logs); put it into `env`, `headers` or `oauth.clientSecret`',
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
