/** Names of agents, the labels beside them, and how a message says whom it is for. Pure. */
import { StarlingError, printable } from '../core/index.ts';
import type { Random } from '../core/index.ts';
import { encodeSegment } from '../grants/index.ts';

/** Names and ids: what fits into a resource of a grant without being encoded. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const RANDOM_LENGTH = 9;
const BASE = 36;

/** Whom a message is for. */
export interface AgentAddress {
  readonly name: string;
  /** The alias of its node; absent where the sender did not say. */
  readonly node?: string;
}

/** Whether `text` may be an agent's name or id. */
export function isAgentName(text: string): boolean {
  return NAME.test(text);
}

/** Reads `coder` or `coder@laptop`. @throws STARLING_USAGE */
export function parseAddress(text: string): AgentAddress {
  const at = text.lastIndexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const node = at < 0 ? undefined : text.slice(at + 1);
  if (isAgentName(name) && node !== '') return { name, ...(node === undefined ? {} : { node }) };
  throw new StarlingError('STARLING_USAGE', `'${printable(text)}' is no agent`, {
    hint: 'an agent is <name> or <name>@<node>, as starling agent list shows it',
  });
}

/** A label like `agent_1757967065850_dv2zg7abc`: for people, never the proof of who somebody is. */
export function labelOf(
  kind: 'agent' | 'batch' | 'msg' | 'swarm' | 'task',
  nowMs: number,
  random: Random,
): string {
  let digits = '';
  while (digits.length < RANDOM_LENGTH) digits += Math.floor(random() * BASE).toString(BASE);
  return `${kind}_${nowMs}_${digits}`;
}

/** What the guard is asked about an agent: `agent:coder` here, `agent:@laptop/coder` at a peer. */
export function agentResource({ name, node }: AgentAddress): string {
  const owner = node === undefined ? '' : `@${encodeSegment(node)}/`;
  return `agent:${owner}${encodeSegment(name)}`;
}
