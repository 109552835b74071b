/** What somebody wants to spread, checked, and signed as the node that spreads it: the row with which it begins. */
import { randomBytes } from 'node:crypto';
import { StarlingError } from '../../core/index.ts';
import type { Clock, Did } from '../../core/index.ts';
import type { Config } from '../../config/index.ts';
import type { Signer } from '../../identity/index.ts';
import type { Membership } from '../../membership/index.ts';
import { digestOf, signSpread } from '../directory/spread-proof.ts';
import { SPREAD_NODES_MAX, SPREAD_PROCESSES_MAX, SPREAD_TERMS_MAX } from '../limits.ts';
import { isAgentName } from '../names.ts';
import { boundsOf } from '../run/spawn-checks.ts';
import type { SpawnInit } from '../run/types.ts';
import type { SpreadRow, SpreadTerms } from './rows.ts';

/** An agent that somebody wants to spread. */
export interface SpreadInit extends Pick<
  SpawnInit,
  'capabilities' | 'config' | 'kind' | 'name' | 'replicas' | 'resources' | 'tools' | 'waitMs'
> {
  /** Aliases, PeerIds or dids of nodes. */
  readonly on: readonly string[];
}

/** By what names become nodes, and as whom the order is signed. */
export interface OrderComponents {
  /** `agents` of the configuration as it is now. */
  readonly config: () => Pick<Config['agents'], 'kinds'>;
  readonly membership: Pick<Membership, 'resolve'>;
  readonly signer: Signer;
  readonly self: { readonly name: string; readonly did: Did };
  readonly clock: Clock;
}

/** Restarts by the parent within a minute, where this node has no such kind. */
const RESTARTS = 5;
const ID_BYTES = 16;

/** The row of a new spread agent. @throws STARLING_USAGE, STARLING_PEER_UNKNOWN, STARLING_LIMIT_EXCEEDED, STARLING_AGENT_FAILED */
export function orderOf(
  { clock, config, membership, self, signer }: OrderComponents,
  name: string,
  init: SpreadInit,
): SpreadRow {
  const { capabilities, kind, resources, tools } = init;
  const named = init.on.map((one) => (one === self.name ? self.did : membership.resolve(one).did));
  const on = [...new Set(named)];
  const { least, most } = boundsOf(init.replicas ?? on.length);
  requireForm(name, { kind, least, most, nodes: on.length });
  const { kinds } = config();
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
  const terms: SpreadTerms = {
    least,
    most,
    strategy: known?.strategy ?? 'one_for_one',
    restarts: known?.restarts ?? RESTARTS,
    ...(tools === undefined ? {} : { tools: [...tools] }),
    ...(capabilities === undefined ? {} : { capabilities: [...capabilities] }),
    ...(init.config === undefined ? {} : { config: init.config as SpreadTerms['config'] & object }),
    ...(resources === undefined ? {} : { resources: boundsIn(resources) }),
    at: clock.now(),
  };
  const text = JSON.stringify(terms);
  if (text.length > SPREAD_TERMS_MAX) throw tooLong();
  const claims = {
    spread: randomBytes(ID_BYTES).toString('base64url'),
    agent: name,
    kind,
    on,
    terms: digestOf(text),
  };
  const proof = signSpread(signer, claims);
  const signed = { iss: signer.did, ...claims };
  return { proof, claims: signed, terms, text, parts: [], turn: 0, lately: [] };
}

/** @throws STARLING_USAGE, STARLING_LIMIT_EXCEEDED */
function requireForm(
  name: string,
  { kind, least, most, nodes }: { kind: string; least: number; most: number; nodes: number },
): void {
  const wrong = [name, kind].find((one) => !isAgentName(one));
  if (wrong !== undefined) {
    throw new StarlingError('STARLING_USAGE', `'${wrong.slice(0, 80)}' can't be an agent's name`, {
      hint: 'a name has 1 to 64 of A-Z a-z 0-9 . _ -, and begins with a letter or a digit',
    });
  }
  if (least > most) {
    throw new StarlingError(
      'STARLING_USAGE',
      `replicas ${least}..${most}: the first is the larger`,
    );
  }
  if (nodes <= SPREAD_NODES_MAX && most <= SPREAD_PROCESSES_MAX) return;
  throw new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `an agent has at most ${SPREAD_PROCESSES_MAX} processes, on ${SPREAD_NODES_MAX} nodes`,
    { hint: 'take fewer', data: { limit: SPREAD_NODES_MAX } },
  );
}

/** What bounds the processes of each part. @throws STARLING_AGENT_FAILED for what no node could enforce */
function boundsIn(
  resources: NonNullable<SpreadInit['resources']>,
): NonNullable<SpreadTerms['resources']> {
  const { cpuLimit, memoryLimit, ...others } = resources;
  const odd = Object.entries(others)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([name]) => name);
  if (odd.length > 0) {
    throw new StarlingError(
      'STARLING_AGENT_FAILED',
      `not spread: ${odd.join(', ').slice(0, 200)} can't be enforced on other nodes`,
      { hint: 'cpuLimit and memoryLimit can be', data: { reason: 'resources' } },
    );
  }
  return {
    ...(cpuLimit === undefined ? {} : { cpuLimit }),
    ...(memoryLimit === undefined ? {} : { memoryLimit }),
  };
}

function tooLong(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `what the parts are told has over ${SPREAD_TERMS_MAX} bytes`,
    { hint: 'send what is long as a message', data: { limit: SPREAD_TERMS_MAX } },
  );
}
