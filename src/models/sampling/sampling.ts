/**
 * Has a model answer what a server asks during a call of somebody whose client has no model, where the operator names a route
 * for that server (`models.sampling`): a model that this caller may use, on the caller's budget, with the server as who acts
 * in the audit log.
 */
import { randomBytes } from 'node:crypto';
import { StarlingError, printable, withDeadline } from '../../core/index.ts';
import type { Clock, JsonObject } from '../../core/index.ts';
import type { Config } from '../../config/index.ts';
import type { SampleRequest, SamplingFace, ServerTarget, ToolOrigin } from '../../gateway/index.ts';
import { leastTrusted } from '../../guard/index.ts';
import type { Principal, Zone } from '../../guard/index.ts';
import type { Models } from '../models.ts';
import { askChat } from '../tools/query.ts';
import type { AiQueryResult } from '../types.ts';
import { readSample } from './read-request.ts';

/** Questions of servers that are answered at a time, of all callers. */
const SAMPLES_MAX = 32;
/** How long one may take. */
const SAMPLE_MS = 300_000;
/** Why an answer ended, as MCP calls it. */
const REASONS: Readonly<Record<string, string>> = { stop: 'endTurn', length: 'maxTokens' };

/** What answers work with. */
export interface SamplingComponents {
  readonly models: Pick<Models, 'about' | 'ask'>;
  readonly config: () => Pick<Config['models'], 'sampling'>;
  /** From which zone comes what a thing gives. */
  zoneOf(origin: ToolOrigin): Zone;
  readonly clock: Clock;
}

/** Makes what answers. `messageBytes` bounds an answer. */
export function createSampling(
  components: SamplingComponents,
  init: { readonly messageBytes: number },
): SamplingFace {
  const { clock, config, models } = components;
  let running = 0;
  const routeOf = (server: string): string | undefined => {
    const { sampling } = config();
    return Object.hasOwn(sampling, server) ? sampling[server] : undefined;
  };
  const ask = (
    asked: SampleRequest,
    model: string,
    signal: AbortSignal,
  ): Promise<AiQueryResult> => {
    const server = serverName(asked.target);
    const { params, sizeBytes } = asked;
    const mark = randomBytes(8).toString('hex');
    return askChat(
      readSample(params, { model, server, sizeBytes, mark }),
      { models, clock, signal, principal: taintedBy(components, asked), ...init },
      { asker: `server:${server}` },
    );
  };
  return {
    isAllowed: (target) => routeOf(serverName(target)) !== undefined,
    async answer(asked) {
      asked.signal.throwIfAborted();
      const model = routeOf(serverName(asked.target));
      if (model === undefined) throw notAllowed(asked.target);
      if (running >= SAMPLES_MAX) throw busy();
      running += 1;
      try {
        const work = (signal: AbortSignal): Promise<AiQueryResult> => ask(asked, model, signal);
        return resultOf(await withDeadline(clock, SAMPLE_MS, work, asked.signal), model);
      } finally {
        running -= 1;
      }
    },
  };
}

/** The server as grants name it: `files`, of a peer `@nas/files`. */
function serverName({ peer, server }: ServerTarget): string {
  return peer === undefined ? server : `@${peer.alias}/${server}`;
}

/** The limits of whoever wrote the question hold for the caller, too, where the caller is one that can be tainted. */
function taintedBy(
  { zoneOf }: Pick<SamplingComponents, 'zoneOf'>,
  { principal, resource, target }: SampleRequest,
): Principal {
  if (principal.kind !== 'client') return principal;
  const zones = [principal.taint ?? 'local', zoneOf({ resource, peer: target.peer })] as const;
  const taint = leastTrusted(zones);
  return taint === undefined || taint === 'local' ? principal : { ...principal, taint };
}

function resultOf({ response, finish_reason: finish }: AiQueryResult, model: string): JsonObject {
  const reason = finish === undefined ? undefined : (REASONS[finish] ?? finish);
  return {
    role: 'assistant',
    content: { type: 'text', text: response },
    // Which model a route chose is nothing that a server has to know.
    model,
    ...(reason === undefined ? {} : { stopReason: reason }),
  };
}

function notAllowed(target: ServerTarget): StarlingError {
  return new StarlingError(
    'STARLING_CALL_REFUSED',
    `no model answers the server '${printable(serverName(target), 80)}'`,
    { hint: 'name a route for it in models.sampling of the config file' },
  );
}

function busy(): StarlingError {
  return new StarlingError(
    'STARLING_RATE_LIMITED',
    `${SAMPLES_MAX} questions of servers are answered at one time, and so many are under way`,
    { hint: 'try again in a while' },
  );
}
