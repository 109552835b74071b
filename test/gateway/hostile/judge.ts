/** Holds what a gateway sent against what it owed. */
import type { Connection } from './connections.ts';
import { isObject, owedFor } from './messages.ts';
import type { Owed } from './messages.ts';

/** Begins every nonce of the well-behaved clients: nobody else may ever read one. */
export const GOOD = 'good-';

const ANSWER_TIMEOUT_MS = 60_000;
const PING = (id: string): Buffer => Buffer.from(`{"jsonrpc":"2.0","id":"${id}","method":"ping"}`);

/** What came in one conversation. */
export interface Heard {
  /** How often each id, as JSON, was answered. */
  readonly ids: Map<string, number>;
  nulls: number;
  /** What must never be. */
  readonly wrongs: string[];
}

/** Nothing yet. */
export function nothingHeard(): Heard {
  return { ids: new Map(), nulls: 0, wrongs: [] };
}

/** Takes note of one message as it came. */
export function hear(heard: Heard, text: string): void {
  if (text.includes(GOOD)) heard.wrongs.push(`somebody else's: ${text.slice(0, 300)}`);
  const given: unknown = JSON.parse(text);
  for (const frame of Array.isArray(given) ? (given as unknown[]) : [given]) {
    if (!isObject(frame)) heard.wrongs.push(`no message: ${text.slice(0, 300)}`);
    else if (frame['method'] === undefined) answered(heard, frame);
  }
}

function answered(heard: Heard, frame: Record<string, unknown>): void {
  const { id, error, result } = frame;
  if ((error === undefined) === (result === undefined)) {
    heard.wrongs.push(`neither result nor error: ${JSON.stringify(frame).slice(0, 300)}`);
  }
  const data = isObject(error) && isObject(error['data']) ? error['data'] : {};
  // The upstream answers everything at once: a timeout is an answer that was lost.
  if (data['reason'] === 'internal' || data['code'] === 'STARLING_TIMEOUT') {
    heard.wrongs.push(`an unexpected failure: ${JSON.stringify(frame).slice(0, 300)}`);
  }
  if (id === null || id === undefined) heard.nulls += 1;
  else {
    const key = JSON.stringify(id);
    heard.ids.set(key, (heard.ids.get(key) ?? 0) + 1);
  }
}

/** What is still owed, as a sentence; undefined when nothing is. */
export function missing(owed: Owed, heard: Heard): string | undefined {
  for (const [id, { least }] of owed.ids) {
    const count = heard.ids.get(id) ?? 0;
    if (count < least) return `id ${id} was answered ${count} times, not ${least}`;
  }
  return undefined;
}

/** What came and was not owed. */
export function excess(owed: Owed, heard: Heard): readonly string[] {
  const wrong = [...heard.wrongs];
  for (const [id, count] of heard.ids) {
    const most = owed.ids.get(id)?.most ?? 0;
    if (count > most) wrong.push(`id ${id} was answered ${count} times, at most ${most} are due`);
  }
  if (heard.nulls > owed.nulls) wrong.push(`${heard.nulls} errors without id, ${owed.nulls} due`);
  return wrong;
}

/** Sends `messages` and waits for all that is due; gives what went wrong. */
export async function converse(
  connection: Connection,
  opening: readonly Buffer[],
  messages: readonly Buffer[],
  cuts: readonly number[],
): Promise<readonly string[]> {
  const owed = owedFor([...opening, ...messages]);
  const heard = nothingHeard();
  const until = async (isDone: () => boolean, what: () => string): Promise<string | undefined> => {
    const deadline = Date.now() + ANSWER_TIMEOUT_MS;
    for (;;) {
      for (const text of connection.take()) hear(heard, text);
      if (isDone() || connection.isClosed) return undefined;
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) return what();
      await Promise.race([connection.heard(), pause(leftMs)]);
    }
  };
  const pinged = async (id: string): Promise<string | undefined> => {
    owed.ids.set(`"${id}"`, { least: 1, most: 1 });
    connection.send([PING(id)]);
    return until(
      () => heard.ids.has(`"${id}"`),
      () => `${id} was not answered`,
    );
  };
  connection.send(opening);
  connection.send(messages, cuts);
  const late =
    (await pinged('first-ping')) ??
    (await until(
      () => missing(owed, heard) === undefined,
      () => missing(owed, heard) ?? '',
    )) ??
    // What comes twice comes before this.
    (await pinged('last-ping'));
  connection.close();
  return [...(late === undefined ? [] : [late]), ...excess(owed, heard)];
}

function pause(waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, waitMs).unref();
  });
}
