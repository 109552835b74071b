/** The shapes of the HTTP door: who came in, and why somebody did not. */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { StarlingError } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';

/** Somebody who proved who it is. */
export interface Credential {
  /**
   * One word for one identity: `operator`, `key:<id>`, `jwt:<issuer> <subject>`, `agent:<did>`.
   * Sessions and rate limits belong to it.
   */
  readonly id: string;
  readonly principal: Principal;
  /** ms since the epoch: what it showed holds no longer; absent when it holds until revoked. */
  readonly expiresAt?: number;
}

/** Why a request may not pass. */
export interface DoorRefusal {
  readonly status: number;
  readonly error: StarlingError;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What the door says to a request. */
export type Verdict = Credential | DoorRefusal;

/** Checks requests. */
export interface Door {
  /** From where, by which name, and from which page: to be asked before anything else. */
  checkOrigin(request: IncomingMessage): DoorRefusal | undefined;
  /**
   * Who it is, by its bearer token. A promise only for an access token that is seen the first time;
   * it never rejects.
   */
  authenticate(request: IncomingMessage): Verdict | Promise<Verdict>;
  /** {@link Door.authenticate} where the token did not come in a header; `address` is whence. */
  byToken(token: string, address: string): Verdict | Promise<Verdict>;
  /**
   * Serves what callers need before they have a token: `/auth/challenge`, `/auth/session` and
   * `/.well-known/oauth-protected-resource`. False when the path is none of them. The caller has
   * asked {@link Door.checkOrigin} before.
   */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
}

/** What serves the APIs of language models, below `/v1/` of the HTTP endpoint. */
export interface ModelsFace {
  /** Answers a request of whoever has proven who it is. */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    credential: Credential,
  ): void;
  /** Refuses a request in the form of its API. */
  refuse(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    refusal: DoorRefusal,
  ): void;
}

/** What the gateway hears of the dashboard. */
export interface DashboardFaceEvents {
  /** A credential of it holds no longer. */
  ended: [credential: string];
}

/** The page of the operator at the HTTP endpoint, and the sessions that it opens. */
export interface DashboardFace {
  readonly events: EventEmitter<DashboardFaceEvents>;
  /** Serves the page, and what opens and ends a session of it; false when the path is none of these. */
  handle(request: IncomingMessage, response: ServerResponse): boolean;
  /** Whom a request comes from by its token; undefined where that opens nothing here. */
  check(token: string, request: IncomingMessage): Credential | undefined;
}

/** What the node tells of itself in numbers, as Prometheus reads them. */
export interface MetricsText {
  /** The media type. */
  readonly type: string;
  readonly text: string;
}

/** What makes the numbers of a scrape. */
export interface MetricsFace {
  /** All figures as they are now. */
  text(): Promise<MetricsText>;
}

/** What has a status is the answer to whoever may not pass. */
export function isRefusal(verdict: Verdict): verdict is DoorRefusal {
  return 'status' in verdict;
}
