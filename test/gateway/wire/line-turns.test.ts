import { describe, expect, it } from 'vitest';
import { createLineDecoder } from '../../../src/core/index.ts';
import { createLineTurns } from '../../../src/gateway/wire/line-turns.ts';
import type { LineTurns } from '../../../src/gateway/wire/line-turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Bench {
  readonly lines: LineTurns;
  readonly taken: string[];
  /** Called with each line as it is taken. */
  heard: (line: string) => void;
}

function bench(): Bench {
  const taken: string[] = [];
  const decoder = createLineDecoder(1024, {
    line(bytes) {
      taken.push(bytes.toString());
      made.heard(bytes.toString());
    },
    oversize: (sizeBytes) => taken.push(`too long: ${sizeBytes}`),
  });
  const made: Bench = { lines: createLineTurns(decoder), taken, heard: () => undefined };
  return made;
}

const named = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `line ${from + index}`.padEnd(130));
const bytes = (lines: readonly string[]): Buffer => Buffer.from(`${lines.join('\n')}\n`);

describe('lines that come at once', () => {
  it('are taken in turns, each once and in order, and others come in between', async () => {
    const { lines, taken } = bench();
    const events: number[] = [];
    lines.push(bytes(named(100)));
    const first = taken.length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(100);
    setImmediate(() => events.push(taken.length));
    await turn();
    expect(events[0]).toBeLessThan(100);
    for (let turns = 0; turns < 100 && taken.length < 100; turns += 1) await turn();
    expect(taken).toEqual(named(100));
    await turn();
    expect(taken).toHaveLength(100);
  });

  it('are taken at once where they are few, with what has come of the next one', () => {
    const { lines, taken } = bench();
    lines.push(Buffer.from('a\nb\nc'));
    expect(taken).toEqual(['a', 'b']);
    lines.push(Buffer.from('d\n'));
    expect(taken).toEqual(['a', 'b', 'cd']);
  });

  it('are one part where the first of them is long', async () => {
    const { lines, taken } = bench();
    lines.push(bytes(['x'.repeat(9000), 'b']));
    expect(taken).toEqual(['too long: 9000']);
    await turn();
    expect(taken).toEqual(['too long: 9000', 'b']);
  });

  it('are all taken before more that comes, so that never more than one chunk waits', async () => {
    const { lines, taken } = bench();
    lines.push(bytes(named(90)));
    lines.push(bytes(named(90, 90)));
    expect(taken.length).toBeGreaterThan(90);
    expect(taken).toEqual(named(taken.length));
    lines.catchUp();
    expect(taken).toEqual(named(180));
    await turn();
    expect(taken).toHaveLength(180);
  });

  it('are all taken when the stream ends, a last one without an end too', async () => {
    const { lines, taken } = bench();
    lines.push(Buffer.concat([bytes(named(90)), Buffer.from('last')]));
    expect(taken.length).toBeLessThan(90);
    lines.end();
    expect(taken).toEqual([...named(90), 'last']);
    await turn();
    expect(taken).toHaveLength(91);
  });

  it('are each taken once where one of them ends the stream', async () => {
    const one = bench();
    one.heard = (line) => {
      if (line.startsWith('line 3 ')) one.lines.end();
    };
    one.lines.push(bytes(named(90)));
    await turn();
    expect(one.taken.toSorted()).toEqual(named(90).toSorted());
  });

  it('that are too long are told of, wherever a part ends', async () => {
    const { lines, taken } = bench();
    lines.push(bytes([...named(40), 'x'.repeat(5000), 'after']));
    for (let turns = 0; turns < 10 && taken.length < 42; turns += 1) await turn();
    expect(taken.slice(-2)).toEqual(['too long: 5000', 'after']);
  });
});
