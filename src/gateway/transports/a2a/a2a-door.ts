/**
 * A2A at the HTTP door: `/a2a/<agent>` is the endpoint of an agent of this node that its owner lists, and
 * `/a2a/<agent>/.well-known/agent-card.json` its card. Both are for callers that may write to the agent; for anybody
 * else there is no such agent, unless the configuration shows cards to all.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { JsonRpcTransportHandler, ServerCallContext } from '@a2a-js/sdk/server';
import { AGENT_CARD_PATH, formatSSEEvent } from '@a2a-js/sdk';
import { ContentTypeNotSupportedError, VersionNotSupportedError } from '@a2a-js/sdk/errors';
import { createScope, isObject, messageOf, settledWithin } from '../../../core/index.ts';
import type { Clock, Json, JsonObject, Logger } from '../../../core/index.ts';
import type { Signer } from '../../../identity/index.ts';
import type { Credential } from '../../door/types.ts';
import type { RateLimit } from '../../door/rate-limit.ts';
import type { CardAgent } from '../../types.ts';
import { readRequestBody } from '../../door/request-body.ts';
import { objectOf } from '../../wire/era.ts';
import { errorOf } from '../../wire/frame.ts';
import { mediaTypeOf } from '../../wire/media-type.ts';
import { readPostedBody } from '../http-body.ts';
import {
  notFound,
  refuse,
  sendJsonText,
  sendKeptJson,
  startEvents,
  usage,
  writeComment,
} from '../http-reply.ts';
import { startOneCall } from '../one-call.ts';
import { traceMetaOf } from '../trace-headers.ts';
import type { OneCallComponents } from '../one-call.ts';
import { A2A_VERSION, signedCardOf } from './agent-card.ts';
import { createA2aRequests } from './a2a-requests.ts';
import type { CallTool } from './a2a-requests.ts';

/** What the door of A2A works with. */
export interface A2aDoorComponents {
  /** Signs the cards. */
  readonly signer: Signer;
  /** The agent of this node, listed by its owner, that `caller` may write to; without a caller: any listed one. */
  agent(name: string, caller: Credential | undefined): CardAgent | undefined;
  /** The name under which lists show a built-in tool. */
  toolName(this: void, tool: string): string;
  readonly rateLimit: RateLimit;
  /** Opens the session of one request. @throws STARLING_LIMIT_EXCEEDED */
  open(this: void, credential: Credential): ReturnType<OneCallComponents['open']>;
  readonly ended: OneCallComponents['ended'];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Names and bounds. */
export interface A2aDoorInit {
  /** The node's name. */
  readonly node: string;
  readonly isTls: boolean;
  readonly hasOauth: boolean;
  readonly messageBytes: number;
  /** A stream that says nothing gets a comment as often. */
  readonly keepAliveMs: number;
}

/** Serves A2A. */
export interface A2aDoor {
  /** Serves what is behind `/a2a/`; `credential` is absent for whoever came without one, and only sees public cards. */
  serve(
    request: IncomingMessage,
    response: ServerResponse,
    segments: readonly string[],
    credential: Credential | undefined,
  ): void;
}

const JSON_TYPE = 'application/json';
/** How long a stream waits for its first event before it begins. */
const FIRST_MS = 5000;
const VERSION_HEADER = 'a2a-version';
/** Characters of an agent's name. */
const NAME_MAX = 64;

/** Makes the door of A2A. */
export function createA2aDoor(components: A2aDoorComponents, init: A2aDoorInit): A2aDoor {
  return new HttpA2a(components, init);
}

/** One request of somebody who may write to the agent. */
interface Exchange {
  readonly agent: CardAgent;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly credential: Credential;
}

class HttpA2a implements A2aDoor {
  readonly #components: A2aDoorComponents;
  readonly #init: A2aDoorInit;

  constructor(components: A2aDoorComponents, init: A2aDoorInit) {
    this.#components = components;
    this.#init = init;
  }

  serve(
    request: IncomingMessage,
    response: ServerResponse,
    segments: readonly string[],
    credential: Credential | undefined,
  ): void {
    const [name = '', ...rest] = segments;
    const path = rest.join('/');
    const { rateLimit } = this.#components;
    const limited = rateLimit.take(credential?.id ?? `address:${request.socket.remoteAddress}`);
    if (limited !== undefined) {
      return refuse(response, limited.status, limited.error, limited.headers);
    }
    const isCard = path === AGENT_CARD_PATH;
    const agent =
      (isCard || path === '') && name.length <= NAME_MAX
        ? this.#components.agent(name, credential)
        : undefined;
    if (agent === undefined) return refuse(response, 404, notFound('no agent is here for A2A'));
    if (isCard) return this.#sendCard(request, response, agent);
    if (credential === undefined)
      return refuse(response, 404, notFound('no agent is here for A2A'));
    if (request.method !== 'POST') {
      return refuse(response, 405, usage('allowed: POST'), { allow: 'POST' });
    }
    if (mediaTypeOf(request.headers['content-type']) !== JSON_TYPE) {
      return refuseMedia(request, response, this.#init.messageBytes);
    }
    return readPostedBody(request, response, this.#init.messageBytes, (body) => {
      this.#answer(body, { agent, request, response, credential }).catch((error: unknown) => {
        const { logger } = this.#components;
        logger.error({ error: messageOf(error) }, 'a request of A2A was not answered');
        response.destroy();
      });
    });
  }

  #sendCard(request: IncomingMessage, response: ServerResponse, agent: CardAgent): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return refuse(response, 405, usage('allowed: GET'), { allow: 'GET' });
    }
    const { isTls, hasOauth, node } = this.#init;
    // The door has looked at this header before: it names this node.
    const origin = `${isTls ? 'https' : 'http'}://${request.headers.host ?? ''}`;
    const url = `${origin}/a2a/${encodeURIComponent(agent.name)}`;
    const oauth = { oauthMetadataUrl: `${origin}/.well-known/oauth-protected-resource` };
    const init = { node, url, ...(hasOauth ? oauth : {}) };
    const card = JSON.stringify(signedCardOf(this.#components.signer, agent, init));
    return sendKeptJson(request, response, card);
  }

  /** Never rejects. */
  async #answer(body: Buffer, exchange: Exchange): Promise<void> {
    const { agent, request, response } = exchange;
    const version = request.headers[VERSION_HEADER];
    const read = readObject(body);
    const id = read?.['id'] ?? null;
    if (version !== A2A_VERSION) {
      const text = `this is A2A ${A2A_VERSION}: send the header A2A-Version: ${A2A_VERSION}`;
      return sendError(response, id, new VersionNotSupportedError({ message: text }));
    }
    const requests = createA2aRequests(agent.name, (tool, args) =>
      this.#call(tool, args, exchange),
    );
    const handler = new JsonRpcTransportHandler(requests);
    const context = new ServerCallContext({ requestedVersion: version });
    try {
      const answer = await handler.handle(read ?? body.toString('utf8'), context);
      if (!(Symbol.asyncIterator in answer)) {
        sendJsonText(response, 200, JSON.stringify(answer));
        return undefined;
      }
      return await this.#stream(answer, response, id);
    } catch (error) {
      return sendError(response, id, error);
    }
  }

  async #stream(
    events: AsyncGenerator<unknown, void, undefined>,
    response: ServerResponse,
    id: Json,
  ): Promise<void> {
    const { clock } = this.#components;
    const first = events.next();
    // What is refused at once is an answer as any other; later that has to be said in the stream.
    if (await settledWithin(FIRST_MS, first, clock)) await first;
    startEvents(response);
    const scope = createScope(clock);
    scope.every(this.#init.keepAliveMs / 2, () => writeComment(response));
    response.once('close', () => scope.close());
    try {
      for (let next = await first; next.done !== true; next = await events.next()) {
        if (!response.write(formatSSEEvent(next.value))) await drained(response);
      }
    } catch (error) {
      response.write(formatSSEEvent(errorAnswer(id, error)));
    }
    scope.close();
    response.end();
  }

  /** A call of a built-in tool by the road of all calls; a caller that goes away gives it up. */
  #call(tool: string, args: JsonObject, exchange: Exchange): ReturnType<CallTool> {
    const { credential, request, response } = exchange;
    const { open, ended, toolName } = this.#components;
    const params = `"name":${JSON.stringify(toolName(tool))},"arguments":${JSON.stringify(args)}`;
    return new Promise((resolve) => {
      let end: (() => void) | undefined;
      let isDone = false;
      const done = (answer: Awaited<ReturnType<CallTool>>): void => {
        isDone = true;
        response.off('close', gone);
        end?.();
        resolve(answer);
      };
      const gone = (): void => done({ error: { message: 'the caller went away' } });
      // A stream makes many calls: the last one before its caller went away may have just ended.
      if (response.destroyed) return gone();
      try {
        end = startOneCall(
          { open: () => open(credential), ended },
          { method: 'tools/call', params, meta: traceMetaOf(request.headers) },
          {
            final: (message) => done(resultIn(message)),
            dropped: () => done({ error: { message: 'the call was given up' } }),
          },
        );
        if (isDone) end();
        else response.once('close', gone);
      } catch (error) {
        resolve({ error: errorOf(error) as unknown as JsonObject });
      }
      return undefined;
    });
  }
}

/** Refuses a body that is said to be something else, once it has been read: a client that still sends reads no answer. */
function refuseMedia(request: IncomingMessage, response: ServerResponse, limitBytes: number): void {
  const message = `Content-Type must be ${JSON_TYPE}`;
  const error = errorAnswer(null, new ContentTypeNotSupportedError({ message }));
  const answer = (): void => sendJsonText(response, 415, JSON.stringify(error));
  readRequestBody(request, limitBytes, { whole: answer, tooLarge: answer });
}

function readObject(body: Buffer): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return isObject(value) ? (value as JsonObject) : undefined;
  } catch {
    // The handler says that it is no JSON.
    return undefined;
  }
}

/** An answer of the session: a failed tool says why in its text. */
function resultIn(message: Buffer): Awaited<ReturnType<CallTool>> {
  const { result, error } = JSON.parse(message.toString('utf8')) as JsonObject;
  if (error !== undefined) return { error: objectOf(error) };
  return { result: objectOf(result) };
}

/** Whoever does not read is told nothing more meanwhile. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.once('drain', done).once('close', done);
    if (response.destroyed) done();
  });
}

function sendError(response: ServerResponse, id: Json, error: unknown): void {
  sendJsonText(response, 200, JSON.stringify(errorAnswer(id, error)));
}

function errorAnswer(id: Json, error: unknown): object {
  const known = typeof id === 'string' || typeof id === 'number' ? id : null;
  const said = JsonRpcTransportHandler.mapToJSONRPCError(error);
  return { jsonrpc: '2.0', id: known, error: said };
}
