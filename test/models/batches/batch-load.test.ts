/** Batches at their worst: ten thousand requests at once, a caller with too many, and a disk that is full. */
import { describe, expect, it } from 'vitest';
import { StarlingError } from '../../../src/core/index.ts';
import type { JsonObject } from '../../../src/core/index.ts';
import type { Table, Write } from '../../../src/store/index.ts';
import { memoryTable } from '../../grants/memory-table.ts';
import { EDITOR, MINUTE, OPENAI, ask, batchRigs } from './batch-rig.ts';

const MANY = 10_000;
const NOTHING = { tokens: 0, calls: 0, usd: 0 };

const rigs = batchRigs();

/** Requests that tell `read` when somebody looks at them. */
function watched(count: number, read: () => void): readonly JsonObject[] {
  return Array.from({ length: count }, (_, at) =>
    Object.defineProperty({ ...ask('', 'why') }, 'custom_id', {
      enumerable: true,
      get: () => {
        read();
        return `r${at}`;
      },
    }),
  );
}

it('reads ten thousand requests a few at a time: what else the node does waits for no more', async () => {
  const rig = await rigs.start();
  let [inTurn, most, isOver] = [0, 0, false];
  const turn = (): void => {
    inTurn = 0;
    if (!isOver) setImmediate(turn);
  };
  turn();
  const requests = watched(MANY, () => (most = Math.max(most, (inTurn += 1))));
  const made = await rig.batches.submit({ model: OPENAI, requests }, EDITOR);
  isOver = true;
  expect(made).toMatchObject({ state: 'running', requests: MANY });
  expect(rigs.vendor.batches[0]?.requests).toHaveLength(MANY);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(400);
});

it('a caller with too many batches is told so before a request of the next is read', async () => {
  const rig = await rigs.start();
  for (let at = 0; at < 10; at += 1) {
    await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
  }
  let reads = 0;
  const requests = watched(10, () => (reads += 1));
  await expect(rig.batches.submit({ model: OPENAI, requests }, EDITOR)).rejects.toMatchObject({
    code: 'STARLING_LIMIT_EXCEEDED',
  });
  expect(reads).toBe(0);
});

/** A disk that takes no write of which `isFull` says so; what is erased needs no room. */
function fullDisk(isFull: (write: Write) => boolean) {
  return (rows: Map<string, Uint8Array>): Table => {
    const table = memoryTable(rows);
    const batch = async (writes: readonly Write[]): Promise<void> => {
      if (writes.some((one) => one.value !== undefined && isFull(one))) {
        throw new StarlingError('STARLING_STATE_UNUSABLE', 'no space left on the device');
      }
      await table.batch(writes);
    };
    return {
      ...table,
      batch,
      put: (key, value) => batch([{ key, value }]),
      delete: (key) => batch([{ key }]),
    };
  };
}

const textIn = ({ value }: Write): string => Buffer.from(value ?? []).toString();
const some = Array.from({ length: 500 }, (_, at) => ask(`r${at}`, 'why'));

describe('on a full disk', () => {
  it.each([
    ['the first request', 'request/', /000000$/],
    ['a request in the middle', 'request/', /000450$/],
    ['the batch itself', 'batch/', /./],
  ] as const)(
    'a batch of which %s is not written is refused, and nobody has it',
    async (_, kind, key) => {
      const table = fullDisk((write) => write.key.startsWith(kind) && key.test(write.key));
      const rig = await rigs.start(new Map(), { table });
      const submitted = rig.batches.submit({ model: OPENAI, requests: some }, EDITOR);
      await expect(submitted).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
      expect(rigs.vendor.got).toEqual([]);
      expect(rig.held).toHaveLength(1);
      expect(rig.spent).toEqual([NOTHING]);
      expect(rig.rows.size).toBe(0);
      expect(rig.batches.list(EDITOR).batches).toEqual([]);
    },
  );

  it('a batch that is about to be sent is not, where that can not be written', async () => {
    const table = fullDisk((write) => textIn(write).includes('"step":"sent"'));
    const rig = await rigs.start(new Map(), { table });
    const submitted = rig.batches.submit({ model: OPENAI, requests: some }, EDITOR);
    await expect(submitted).rejects.toMatchObject({ code: 'STARLING_STATE_UNUSABLE' });
    expect(rigs.vendor.batches).toEqual([]);
    expect(rig.spent).toEqual([NOTHING]);
    expect(rig.rows.size).toBe(0);
  });

  it('a batch whose end can not be written ends once there is room, and is paid once', async () => {
    let isFull = true;
    const table = fullDisk((write) => isFull && textIn(write).includes('"step":"over"'));
    const rig = await rigs.start(new Map(), { table });
    await rig.batches.submit({ model: OPENAI, requests: [ask('a', 'one')] }, EDITOR);
    rigs.vendor.finish();
    await rig.pass(MINUTE);
    expect(rig.batches.list(EDITOR).batches).toMatchObject([{ state: 'running' }]);
    expect(rig.spent).toEqual([]);
    isFull = false;
    await rig.pass(10 * MINUTE);
    expect(rig.batches.list(EDITOR).batches).toMatchObject([{ state: 'completed', answered: 1 }]);
    expect(rig.spent).toHaveLength(1);
    expect(rig.usage.rows()).toMatchObject([{ calls: 1 }]);
  });
});
