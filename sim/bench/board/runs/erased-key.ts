/** A key that is deleted as a run begins, erased by its replicas meanwhile, and made again: its numbers must go on. */
import type { JsonObject } from '../../../../src/index.ts';
import { ERASED_MS } from './faults.ts';
import type { Member } from './member-handle.ts';
import type { ValueAsk } from './strong-history.ts';

const KEY = 'gone';
const LOOK_MS = 250;
const TRIES_MAX = 5;

/** Makes and deletes the key; gives the number of the deletion. @throws where the board does not do that */
export async function deleteKey(member: Member): Promise<number> {
  await numberOf(member, { t: 'set', value: 1 });
  return numberOf(member, { t: 'delete' });
}

/** Makes the key again once it is erased, or is not for a while, and gives what does not fit. */
export async function remakeKey(member: Member, deleted: number): Promise<readonly string[]> {
  const end = performance.now() + ERASED_MS;
  // Of a key that was erased nobody knows a number any more.
  while ((await numberOf(member, { t: 'get' })) > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  const number = await numberOf(member, { t: 'set', value: 2 });
  return number > deleted
    ? []
    : [`a deleted key came to the number ${number}, and had ${deleted} before`];
}

/** The number of the key after a request. @throws where the board does not do that, tried again and again */
async function numberOf(member: Member, request: ValueAsk): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const news = await member.ask({ t: 'strong', key: KEY, request });
    if (news?.t === 'done') return Number((news.result as JsonObject)['version']);
    if (tries >= TRIES_MAX) {
      throw new Error(`${request.t} of '${KEY}' does not end: ${JSON.stringify(news)}`);
    }
  }
}
