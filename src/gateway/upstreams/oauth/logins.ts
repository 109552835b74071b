/**
 * The logins of all upstream servers at URLs: one for each server, made when it is first needed; and
 * what waits for a person to agree in a browser.
 */
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { HttpServer, McpServer, SseServer } from '../../../config/index.ts';
import { StarlingError, toStarlingError } from '../../../core/index.ts';
import type { Clock, Logger } from '../../../core/index.ts';
import type { Credentials } from '../connection-types.ts';
import type { StartedLogin } from './browser-login.ts';
import { createOauthLogin } from './login.ts';
import type { OauthLogin } from './login.ts';
import type { LoginStore } from '../../../secrets/index.ts';

/** Logins whose outcome can still be asked for. */
const LOGINS_MAX = 32;

/** A login as the person who started it sees it. */
export interface LoginView {
  readonly id: string;
  readonly server: string;
  readonly state: 'waiting' | 'done';
  /** Where a person agrees; absent when nobody needs to. */
  readonly url?: string;
  /** How long the address is open; ms since the epoch. */
  readonly expiresAt: number;
}

/** Heard by the upstreams, which connect anew. */
export interface LoginsEvents {
  /** Somebody logged in at or out of this server: it is worth connecting anew. */
  change: [server: string];
}

/** One login a server at a URL, started by a person and renewed by the node. */
export interface Logins {
  readonly events: EventEmitter<LoginsEvents>;
  /** Undefined for a server that needs none: no URL, or its `Authorization` header is configured. */
  credentials(server: string): Credentials | undefined;
  /** Starts a login, or gives the one that waits already. @throws STARLING_USAGE, … why it can't */
  start(server: string): Promise<LoginView>;
  /**
   * Waits until the login is over, at most `timeoutMs`. @throws why it failed, or STARLING_USAGE when
   * there is no such login
   */
  wait(
    id: string,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<LoginView>;
  /** Forgets a login. False when there was none. @throws STARLING_USAGE */
  logout(server: string): Promise<boolean>;
  /** Gives up what waits. */
  stop(): void;
}

/** What the logins work with. */
export interface LoginsComponents {
  /** The servers of now. */
  servers(): Readonly<Record<string, McpServer>>;
  readonly tokens: LoginStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Nobody is asked for anything before a server wants a token. */
export function createLogins(components: LoginsComponents): Logins {
  return new AllLogins(components);
}

type UrlServer = HttpServer | SseServer;

interface Waiting {
  readonly id: string;
  readonly server: string;
  readonly started: StartedLogin;
  /** Resolves when the login is over, however it ended. */
  readonly over: Promise<void>;
  state: 'waiting' | 'done' | 'failed';
  error?: StarlingError;
}

class AllLogins implements Logins {
  readonly events = new EventEmitter<LoginsEvents>();
  readonly #components: LoginsComponents;
  readonly #made = new Map<string, { readonly config: UrlServer; readonly login: OauthLogin }>();
  readonly #starting = new Map<string, Promise<Waiting>>();
  /** Oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  #stopped: StarlingError | undefined;

  constructor(components: LoginsComponents) {
    this.#components = components;
  }

  credentials(server: string): Credentials | undefined {
    const config = this.#components.servers()[server];
    if (config?.type !== 'http' && config?.type !== 'sse') return undefined;
    const fixed = Object.keys(config.headers).some((name) => /^authorization$/i.test(name));
    return fixed && config.oauth === undefined ? undefined : this.#loginOf(server, config);
  }

  async start(server: string): Promise<LoginView> {
    const config = this.#configOf(server);
    const open = [...this.#waiting.values()].find(
      (waiting) => waiting.server === server && waiting.state === 'waiting',
    );
    if (open !== undefined) return viewOf(open);
    let starting = this.#starting.get(server);
    if (starting === undefined) {
      starting = this.#begin(server, this.#loginOf(server, config)).finally(() =>
        this.#starting.delete(server),
      );
      this.#starting.set(server, starting);
    }
    return viewOf(await starting);
  }

  async wait(
    id: string,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<LoginView> {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      throw new StarlingError('STARLING_USAGE', 'no such login waits', {
        hint: 'start it with: starling mcp login <server>',
      });
    }
    await this.#untilOver(waiting, options);
    if (waiting.error !== undefined) throw waiting.error;
    return viewOf(waiting);
  }

  async logout(server: string): Promise<boolean> {
    const had = await this.#loginOf(server, this.#configOf(server)).logout();
    if (had) this.events.emit('change', server);
    return had;
  }

  stop(): void {
    const why = new StarlingError('STARLING_STOPPED', 'the node stops');
    this.#stopped = why;
    for (const waiting of this.#waiting.values()) waiting.started.cancel(why);
    for (const { login } of this.#made.values()) login.stop();
  }

  #configOf(server: string): UrlServer {
    const servers = this.#components.servers();
    const config = Object.hasOwn(servers, server) ? servers[server] : undefined;
    if (config?.type === 'http' || config?.type === 'sse') return config;
    throw new StarlingError(
      'STARLING_USAGE',
      config === undefined
        ? `no server is called '${server.slice(0, 64)}'`
        : config.type === 'unusable'
          ? `server '${server}' can't be used: ${config.problems.join('; ')}`
          : `server '${server}' is a process of this machine: there is nothing to log in to`,
      { hint: 'see which there are: starling status' },
    );
  }

  #loginOf(server: string, config: UrlServer): OauthLogin {
    const made = this.#made.get(server);
    if (made?.config === config) return made.login;
    made?.login.stop();
    const login = createOauthLogin(this.#components, {
      name: server,
      url: config.url,
      settings: config.oauth ?? {},
    });
    this.#made.set(server, { config, login });
    return login;
  }

  async #begin(server: string, login: OauthLogin): Promise<Waiting> {
    const started = await login.login();
    if (this.#stopped !== undefined) {
      started.done.catch(() => undefined);
      started.cancel(this.#stopped);
      throw this.#stopped;
    }
    const waiting: Waiting = {
      id: randomBytes(8).toString('hex'),
      server,
      started,
      state: 'waiting',
      over: started.done.then(
        () => {
          waiting.state = 'done';
          this.events.emit('change', server);
        },
        (error: unknown) => {
          waiting.state = 'failed';
          waiting.error = toStarlingError(error, 'STARLING_UPSTREAM_UNAVAILABLE', 'login failed');
        },
      ),
    };
    this.#waiting.set(waiting.id, waiting);
    const [oldest] = this.#waiting.values();
    if (this.#waiting.size > LOGINS_MAX && oldest !== undefined) {
      oldest.started.cancel(new StarlingError('STARLING_LIMIT_EXCEEDED', 'too many logins wait'));
      this.#waiting.delete(oldest.id);
    }
    // A login that nobody needs to agree to is over at once.
    if (started.url === undefined) await waiting.over;
    return waiting;
  }

  async #untilOver(
    waiting: Waiting,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<void> {
    let end: () => void = () => undefined;
    const givenUp = new Promise<void>((resolve) => {
      end = resolve;
    });
    const cancelTimer = this.#components.clock.schedule(options.timeoutMs, end);
    options.signal.addEventListener('abort', end);
    if (options.signal.aborted) end();
    await Promise.race([waiting.over, givenUp]);
    cancelTimer();
    options.signal.removeEventListener('abort', end);
  }
}

function viewOf(waiting: Waiting): LoginView {
  const { id, server, started } = waiting;
  return {
    id,
    server,
    state: waiting.state === 'done' ? 'done' : 'waiting',
    ...(started.url === undefined ? {} : { url: started.url }),
    expiresAt: started.expiresAt,
  };
}
