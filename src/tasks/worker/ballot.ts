/**
 * What an agent has chosen, signed by its node: which attempt of which task, and the choice. Whoever gave the task can show
 * it to others, and can't make one up. The choice is the `verdict` in a result, or a short value; prose is none.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { isObject } from '../../core/index.ts';
import type { Did, Json, JsonObject } from '../../core/index.ts';
import { decodeJws, encodeJws } from '../../identity/index.ts';
import type { Signer } from '../../identity/index.ts';

const TYPE = 'starling-ballot+jwt';
/** Characters of a choice as JSON. */
const CHOICE_MAX = 200;
/** In the metadata of a task: its result is a ballot. */
export const BALLOT_META = 'starling/ballot';

const CLAIMS = z.strictObject({
  iss: z.string(),
  task: z.string(),
  token: z.number().int(),
  agent: z.string(),
  choice: z.string(),
});

/** One attempt, and who has it. */
export interface BallotOf {
  readonly taskId: string;
  readonly token: number;
  /** The name of the agent at its node. */
  readonly agent: string;
}

/** What a result chooses, as a text that is equal for equal values; undefined for prose, which nobody can count. */
export function choiceIn(result: Json): string | undefined {
  const isTold = isObject(result) && !Array.isArray(result) && Object.hasOwn(result, 'verdict');
  const verdict = isTold ? (result['verdict'] ?? null) : result;
  if (verdict === null) return undefined;
  const text = JSON.stringify(sorted(verdict));
  if (text.length <= CHOICE_MAX) return text;
  // A long value with an order of its own is told by its hash; a long text is prose.
  if (typeof verdict === 'string') return undefined;
  return createHash('sha256').update(text).digest('hex');
}

/** Whether a task, by what its agent is told with it, wants a ballot. */
export function wantsBallot(metadata: JsonObject): boolean {
  let at: Json | undefined = metadata;
  for (const key of ['task', 'message', 'metadata', BALLOT_META]) {
    at = isObject(at) ? at[key] : undefined;
  }
  return at === true;
}

/** Signs the choice of a result; undefined where there is none. */
export function signBallot(signer: Signer, of: BallotOf, result: Json): string | undefined {
  const choice = choiceIn(result);
  if (choice === undefined) return undefined;
  const { agent, taskId: task, token } = of;
  return encodeJws(signer, TYPE, { iss: signer.did, task, token, agent, choice }, 'a ballot');
}

/** Whether `text` is what the node with `did` has signed of this attempt, and of this result. */
export function isBallot(text: string, did: Did, of: BallotOf, result: Json): boolean {
  try {
    const decoded = decodeJws(text, TYPE, 'a ballot');
    const read = CLAIMS.safeParse(decoded.payload);
    if (!read.success || read.data.iss !== did) return false;
    const { agent, choice, task, token } = read.data;
    if (agent !== of.agent || task !== of.taskId || token !== of.token) return false;
    if (choice !== choiceIn(result)) return false;
    decoded.verify(did);
    return true;
  } catch {
    return false;
  }
}

function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map((one) => sorted(one as Json));
  if (!isObject(value)) return value;
  const entries = Object.entries(value as Readonly<Record<string, Json>>).toSorted(([a], [b]) =>
    a < b ? -1 : 1,
  );
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
