import { describe, expect, it } from 'vitest';
import { createLoopTurns } from '../../../src/core/index.ts';

describe('turns of the event loop', () => {
  it('come one in each turn, in order, with others in between', async () => {
    const turns = createLoopTurns();
    const log: string[] = [];
    const work = async (name: string): Promise<void> => {
      await turns.next();
      log.push(name);
    };
    const works = ['a', 'b', 'c'].map(work);
    for (const name of ['1', '2']) setImmediate(() => log.push(name));
    await Promise.all(works);
    expect(log).toEqual(['a', 'b', '1', '2', 'c']);
  });

  it('cost whoever is alone none: its turn is the one at hand', async () => {
    const turns = createLoopTurns();
    for (let count = 0; count < 3; count += 1) {
      let passed = false;
      setImmediate(() => (passed = true));
      await turns.next();
      expect(passed).toBe(false);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    }
  });
});
