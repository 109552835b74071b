/**
 * What a server asks the model of a client that has none (`sampling/createMessage`, MCP 2025-11-25 `client/sampling`), where
 * the operator of this node lets the node answer: only while a call of that client is under way at the server, so many
 * times a call, by the rights of the call. A peer's calls are answered at the peer's node, never here.
 */
import { BUILTIN_SERVER, StarlingError, messageOf, unawaited } from '../../core/index.ts';
import type { Json, JsonObject, Logger } from '../../core/index.ts';
import type { Principal } from '../../guard/index.ts';
import { clientOf, eraOf, objectOf } from '../wire/era.ts';
import { keyOfId } from '../wire/frame-id.ts';
import { cancelledBy, errorBytes, resultBytes, rewriteFrame } from '../wire/frame.ts';
import { requestOf, retryOf } from './input-retry.ts';
import type {
  Answer,
  ChannelCall,
  ClientFacts,
  RelayedCall,
  ServerChannel,
  ServerTarget,
} from '../channel-types.ts';
import type { NotificationFrame, RequestFrame, ResponseFrame } from '../frame-types.ts';
import type { SamplingFace } from '../inner-types.ts';

const METHOD = 'sampling/createMessage';
/** Questions of one call that are answered: what asks more often is told so, and nobody pays for that. */
export const SAMPLES_PER_CALL = 8;
/** What a client says for itself when its call was refused an answer (MCP `client/sampling`, "User rejected"). */
const REJECTED = -1;

/** What sampling by the node works with. */
export interface NodeSamplingComponents {
  /** Absent where this node answers nothing. */
  readonly face?: SamplingFace | undefined;
  readonly logger: Logger;
}

/** What must be known of the call during which a server asks. */
interface AskingCall {
  /** By whose rights it is made. */
  readonly principal: Principal;
  /** What it is of, as grants name it; undefined before that is known. */
  readonly resource: string | undefined;
  /** Aborted once the call is over, however it ends. */
  underWay(): AbortSignal;
}

/** One question of a server. */
interface Question {
  readonly call: AskingCall;
  readonly target: ServerTarget;
  readonly params: JsonObject;
  readonly sizeBytes: number;
  readonly signal?: AbortSignal;
}

/** The sampling of one session. */
export interface NodeSampling {
  /** `client` as the server may know it: with sampling, where the node answers in its place. */
  described(target: ServerTarget, client: ClientFacts, principal: Principal): ClientFacts;
  /**
   * Answers a request of the server that `channel` names in the session's table, where that is the node's to do; else
   * false. `call` is the one that is under way there.
   */
  answers(
    asked: {
      readonly channel: string;
      readonly target: ServerTarget;
      readonly client: ClientFacts;
      readonly principal: Principal;
      readonly frame: RequestFrame;
      readonly call: AskingCall | undefined;
    },
    answer: Answer,
  ): boolean;
  /** The server takes a question back. */
  cancelled(channel: string, frame: NotificationFrame): void;
  /** Sends a call; what its server asks for by `input_required` is answered where that is the node's to do. */
  relay(
    call: AskingCall,
    target: ServerTarget,
    channel: ServerChannel,
    relayed: RelayedCall,
  ): ChannelCall;
}

/** Makes the sampling of one session. */
export function createNodeSampling(components: NodeSamplingComponents): NodeSampling {
  return new SessionSampling(components);
}

class SessionSampling implements NodeSampling {
  readonly #components: NodeSamplingComponents;
  /** How often each call has asked. */
  readonly #counts = new WeakMap<AskingCall, number>();
  /** Questions under way, by channel and id. */
  readonly #open = new Map<string, AbortController>();

  constructor(components: NodeSamplingComponents) {
    this.#components = components;
  }

  described(target: ServerTarget, client: ClientFacts, principal: Principal): ClientFacts {
    if (!this.#stands(target, client, principal)) return client;
    return { ...client, capabilities: { ...client.capabilities, sampling: {} } };
  }

  answers(asked: Parameters<NodeSampling['answers']>[0], answer: Answer): boolean {
    const { call, channel, client, frame, principal, target } = asked;
    if (frame.method !== METHOD || !this.#stands(target, client, principal)) return false;
    if (call === undefined) {
      answer(refused(frame, 'no call is under way for which it could be answered'));
      return true;
    }
    const key = `${channel} ${keyOfId(frame.id)}`;
    const taken = new AbortController();
    // A server that gives two questions one id takes back the later one.
    this.#open.set(key, taken);
    const { params, bytes } = frame;
    const asking = this.#ask({
      call,
      target,
      params,
      sizeBytes: bytes.length,
      signal: taken.signal,
    }).then(
      (result) => answer(resultBytes(frame.id, result)),
      (error: unknown) => answer(refused(frame, this.#reason(error))),
    );
    const done = asking.finally(() => {
      if (this.#open.get(key) === taken) this.#open.delete(key);
    });
    unawaited(done, this.#components.logger, 'the answer to a server was not sent', { channel });
    return true;
  }

  cancelled(channel: string, frame: NotificationFrame): void {
    this.#open.get(`${channel} ${cancelledBy(frame)}`)?.abort();
  }

  relay(
    call: AskingCall,
    target: ServerTarget,
    channel: ServerChannel,
    relayed: RelayedCall,
  ): ChannelCall {
    const { request, principal } = relayed;
    if (this.#components.face === undefined || eraOf(request) !== 'modern') {
      return channel.relay(relayed);
    }
    const client = clientOf(request);
    if (!this.#stands(target, client, principal)) return channel.relay(relayed);
    const { capabilities } = this.described(target, client, principal);
    const declared = requestOf(rewriteFrame(request, { clientCapabilities: capabilities }));
    let sent: ChannelCall | undefined;
    let isOver = false;
    const send = (asks: RequestFrame): void => {
      sent = channel.relay({
        ...relayed,
        request: asks,
        response: (frame) => {
          const wanted = isOver ? [] : samplesIn(frame);
          if (wanted.length === 0) return relayed.response(frame);
          const again = this.#gather(call, target, wanted).then(
            (responses) => {
              if (!isOver) send(retryOf(asks, frame, responses));
            },
            (error: unknown) => {
              if (!isOver) relayed.failed(asStarling(error));
            },
          );
          return unawaited(again, this.#components.logger, 'a call was not sent again');
        },
      });
    };
    send(declared);
    return {
      cancel(reason) {
        isOver = true;
        sent?.cancel(reason);
      },
    };
  }

  /** Answers all that a server asks in one round, one after the other. */
  async #gather(
    call: AskingCall,
    target: ServerTarget,
    wanted: readonly (readonly [key: string, request: JsonObject])[],
  ): Promise<JsonObject> {
    const responses: Record<string, Json> = {};
    for (const [key, { params }] of wanted) {
      const sizeBytes = Buffer.byteLength(JSON.stringify(params ?? null));
      responses[key] = await this.#ask({ call, target, params: objectOf(params), sizeBytes });
    }
    return responses;
  }

  async #ask({ call, target, params, sizeBytes, signal }: Question): Promise<JsonObject> {
    const { face } = this.#components;
    const count = (this.#counts.get(call) ?? 0) + 1;
    this.#counts.set(call, count);
    if (face === undefined || count > SAMPLES_PER_CALL) {
      throw new StarlingError(
        'STARLING_LIMIT_EXCEEDED',
        `a call may ask a model ${SAMPLES_PER_CALL} times, and this one has`,
        {
          hint: 'tell the author of the server; a client with a model of its own has no such bound',
        },
      );
    }
    const until = call.underWay();
    return face.answer({
      target,
      params,
      sizeBytes,
      principal: call.principal,
      resource: call.resource ?? '',
      signal: signal === undefined ? until : AbortSignal.any([until, signal]),
    });
  }

  /** True where this node answers in place of `client`, which can't. */
  #stands(target: ServerTarget, client: ClientFacts, principal: Principal): boolean {
    const { face } = this.#components;
    if (face === undefined || principal.kind === 'peer' || target.server === BUILTIN_SERVER) {
      return false;
    }
    return client.capabilities['sampling'] === undefined && face.isAllowed(target);
  }

  /** What a server may know of why it gets no answer: the code, and nothing of budgets and rights. */
  #reason(error: unknown): string {
    if (error instanceof StarlingError) return error.code;
    if (!(error instanceof Error) || error.name !== 'AbortError') {
      this.#components.logger.error({ error: messageOf(error) }, 'a server got no answer');
    }
    return 'it was given up';
  }
}

function refused({ id }: RequestFrame, why: string): Buffer {
  return errorBytes(id, { code: REJECTED, message: `this node did not answer ${METHOD}: ${why}` });
}

function asStarling(error: unknown): StarlingError {
  if (error instanceof StarlingError) return error;
  return new StarlingError('STARLING_STOPPED', `the call was given up: ${messageOf(error)}`);
}

/** What a server asks a model for in a result that wants input; nothing of any other answer. */
function samplesIn({
  result,
}: ResponseFrame): readonly (readonly [key: string, request: JsonObject])[] {
  if (result?.['resultType'] !== 'input_required') return [];
  return Object.entries(objectOf(result['inputRequests'])).flatMap(([key, value]) => {
    const request = objectOf(value);
    return request['method'] === METHOD ? [[key, request] as const] : [];
  });
}
