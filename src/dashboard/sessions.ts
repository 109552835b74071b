/**
 * Who may use the dashboard, and for how long: a link is good once and briefly, and makes one session in one browser. A
 * session is known by a token that only the page has, in memory, and by a cookie that only the browser has: neither is
 * of use without the other. Nothing of it is on the disk, so that all sessions end with the node.
 */
import { EventEmitter } from 'node:events';
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { StarlingError } from '../core/index.ts';
import type { Clock } from '../core/index.ts';

/** How long a link waits to be opened. More = more time for whoever reads it over somebody's shoulder. */
export const LINK_MS = 60_000;
/** How long a session lives that is not used. */
export const IDLE_MS = 30 * 60_000;
/** How long a session lives at most. More = a forgotten page stays open for longer than a day's work. */
const TOTAL_MS = 12 * 3_600_000;
/** Sessions, and links that wait, at one time. */
const SESSIONS_MAX = 16;
/** Of codes, tokens and cookies. Nobody guesses as much. */
const SECRET_BYTES = 32;
/** Tells sessions apart, and keeps no secret. */
const ID_BYTES = 6;
/** Begins each token, so that other doors need not look at it. */
const TOKEN = /^starling-dashboard\.([\w-]{8})\.([\w-]{43})$/;

/** One open page, as `status` shows it. Times are ms since the epoch. */
export interface DashboardView {
  readonly id: string;
  /** The address that the browser came from. */
  readonly from: string;
  readonly openedAt: number;
  readonly usedAt: number;
  /** When it ends if it is not used. */
  readonly expiresAt: number;
}

/** A link that waits to be opened. */
export interface DashboardLink {
  /** What stands behind the `#` of the link. */
  readonly code: string;
  /** ms since the epoch */
  readonly expiresAt: number;
}

/** What a browser has once it has opened a link. */
export interface OpenedDashboard {
  readonly id: string;
  /** For the page, which keeps it in memory. */
  readonly token: string;
  /** For a cookie that no script reads. */
  readonly cookie: string;
}

/** Heard by the gateway, which ends what a session has under way. */
export interface DashboardSessionEvents {
  ended: [id: string];
}

/** Links and sessions. */
export interface DashboardSessions {
  readonly events: EventEmitter<DashboardSessionEvents>;
  /** Makes a link, good once within {@link LINK_MS}. */
  link(): DashboardLink;
  /** Opens a session by the code of a link. @throws STARLING_UNAUTHORIZED, STARLING_LIMIT_EXCEEDED */
  open(code: string, from: string): OpenedDashboard;
  /** Whose session it is, which is used now; undefined where token and cookie are not those of one. */
  use(token: string, cookieOf: (id: string) => string | undefined): DashboardView | undefined;
  /** Ends a session by its token; false where it is none. */
  leave(token: string): boolean;
  /** Ends all sessions and takes all links back; gives how many sessions there were. */
  close(): number;
  list(): readonly DashboardView[];
}

interface Open {
  readonly id: string;
  readonly from: string;
  readonly token: Uint8Array;
  readonly cookie: Uint8Array;
  readonly openedAt: number;
  usedAt: number;
}

/** Makes an empty table. */
export function createDashboardSessions({ clock }: { readonly clock: Clock }): DashboardSessions {
  return new Sessions(clock);
}

class Sessions implements DashboardSessions {
  readonly events = new EventEmitter<DashboardSessionEvents>();
  readonly #clock: Clock;
  /** By the digest of the code: when the link ends. */
  readonly #links = new Map<string, number>();
  readonly #open = new Map<string, Open>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  link(): DashboardLink {
    this.#forget();
    const [oldest] = this.#links.keys();
    if (this.#links.size >= SESSIONS_MAX && oldest !== undefined) this.#links.delete(oldest);
    const code = secret();
    const expiresAt = this.#clock.now() + LINK_MS;
    this.#links.set(keyOf(code), expiresAt);
    return { code, expiresAt };
  }

  open(code: string, from: string): OpenedDashboard {
    this.#forget();
    if (!this.#links.delete(keyOf(code))) throw usedUp();
    if (this.#open.size >= SESSIONS_MAX) throw tooMany();
    const id = randomBytes(ID_BYTES).toString('base64url');
    const token = `starling-dashboard.${id}.${secret()}`;
    const cookie = secret();
    const now = this.#clock.now();
    const digests = { token: digestOf(token), cookie: digestOf(cookie) };
    this.#open.set(id, { id, from, ...digests, openedAt: now, usedAt: now });
    return { id, token, cookie };
  }

  use(token: string, cookieOf: (id: string) => string | undefined): DashboardView | undefined {
    const session = this.#sessionOf(token);
    if (session === undefined) return undefined;
    const cookie = cookieOf(session.id);
    if (cookie === undefined || !timingSafeEqual(digestOf(cookie), session.cookie))
      return undefined;
    session.usedAt = this.#clock.now();
    return viewOf(session);
  }

  leave(token: string): boolean {
    const session = this.#sessionOf(token);
    if (session !== undefined) this.#end(session.id);
    return session !== undefined;
  }

  close(): number {
    this.#forget();
    this.#links.clear();
    const ids = [...this.#open.keys()];
    for (const id of ids) this.#end(id);
    return ids.length;
  }

  list(): readonly DashboardView[] {
    this.#forget();
    return [...this.#open.values()].map((session) => viewOf(session));
  }

  #sessionOf(token: string): Open | undefined {
    const [, id = ''] = TOKEN.exec(token) ?? [];
    const session = id === '' ? undefined : this.#open.get(id);
    if (session === undefined || !timingSafeEqual(digestOf(token), session.token)) return undefined;
    if (endOf(session) > this.#clock.now()) return session;
    this.#end(id);
    return undefined;
  }

  /** Ends what is over: whoever asks next finds nothing of it. */
  #forget(): void {
    const now = this.#clock.now();
    for (const [key, expiresAt] of this.#links) if (expiresAt <= now) this.#links.delete(key);
    for (const session of this.#open.values()) if (endOf(session) <= now) this.#end(session.id);
  }

  #end(id: string): void {
    this.#open.delete(id);
    this.events.emit('ended', id);
  }
}

/** True for what has the form of a session's token: no other door need look at it. */
export function isDashboardToken(token: string): boolean {
  return TOKEN.test(token);
}

function endOf({ openedAt, usedAt }: Open): number {
  return Math.min(usedAt + IDLE_MS, openedAt + TOTAL_MS);
}

function viewOf(session: Open): DashboardView {
  const { id, from, openedAt, usedAt } = session;
  return { id, from, openedAt, usedAt, expiresAt: endOf(session) };
}

function secret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

function digestOf(text: string): Uint8Array {
  return hash('sha256', text, 'buffer');
}

function keyOf(code: string): string {
  return hash('sha256', code, 'base64url');
}

function usedUp(): StarlingError {
  return new StarlingError(
    'STARLING_UNAUTHORIZED',
    'this link was opened before, or its minute is over',
    {
      hint: 'where nobody but you should have it, end all pages: starling dashboard --close; a new link: starling dashboard',
    },
  );
}

function tooMany(): StarlingError {
  return new StarlingError('STARLING_LIMIT_EXCEEDED', `${SESSIONS_MAX} dashboards are open`, {
    hint: 'end them all: starling dashboard --close',
  });
}
