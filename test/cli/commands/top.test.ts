/** `starling top`: live on a terminal, which it leaves as it was; one reading where nobody watches. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { topScreen, topText } from '../../../src/cli/terminal/figure-lines.ts';
import type { Reading } from '../../../src/cli/terminal/figure-lines.ts';
import type { NodeFigures } from '../../../src/metrics/index.ts';
import { serving } from '../fake-node.ts';
import type { Answer } from '../fake-node.ts';
import { fakeNode, run } from '../support.ts';
import { CTRL_C, hasTerminals, startOnTerminal } from '../terminal/on-terminal.ts';

const AT = 1_700_000_000_000;
const FIGURES: NodeFigures = {
  at: AT,
  calls: {
    at: AT,
    calls: 421,
    failed: 3,
    refused: 0,
    perSecond: 42.1,
    p50Ms: 2.5,
    p99Ms: 2500,
    underWay: 2,
    minutes: Array.from({ length: 60 }, (_, minute) => minute * 10),
  },
  peers: { alive: 3, suspect: 1, left: 1 },
  sessions: { http: 2, socket: 1 },
  servers: { ready: 2 },
  agents: { active: 2, stopped: 1 },
  tasks: { running: 3, input_required: 1, done: 1200 },
  budgets: [
    {
      unit: 'usd',
      budgets: 2,
      limit: 20_000_000,
      spent: 3_120_000,
      held: 400_000,
      free: 6_880_000,
    },
  ],
  models: {
    calls: 9,
    failed: 0,
    inputTokens: 1000,
    outputTokens: 234,
    costMicroUsd: 3_120_000,
    lastHourMicroUsd: 410_000,
  },
  boards: 4,
  warnings: 1,
  cpuMs: 61_000,
  memoryBytes: 120 * 1024 * 1024,
};
const peer = (alias: string, state: 'alive' | 'dead' | 'suspect') => ({
  alias,
  peerId: `12D3KooW${alias}`,
  did: `did:key:${alias}`,
  state,
  lastHeartbeatAt: AT - 2000,
  rttMs: 1.5,
  route: 'direct',
});
const PEERS = [peer('bob', 'alive'), peer('gpu', 'dead'), peer('nas', 'suspect')];
const READING = {
  name: 'alice',
  mesh: 'lab',
  startedAt: AT - 3 * 3_600_000,
  figures: FIGURES,
  peers: PEERS,
} as unknown as Reading;

const STATUS = { name: 'alice', mesh: { name: 'lab' }, startedAt: AT - 3 * 3_600_000 };
const ANSWERS = {
  status: STATUS,
  node_figures: FIGURES,
  peers: { peers: PEERS },
} as never;
const answers: Answer = serving(ANSWERS);

const texts = (columns: number, rows: number, reading = READING): readonly string[] =>
  topScreen(reading, { columns, rows }).map(({ text }) => stripVTControlCharacters(text));

describe('the page', () => {
  it('says what a person wants to know at one glance', () => {
    const text = stripVTControlCharacters(topText(READING, 80));
    expect(text).toBe(
      [
        'alice in lab, up 3h',
        '',
        'calls    42.1 a second, 2 under way (3 failed of the last ten seconds)',
        '         half took up to 2.5 ms (p50), 99 of 100 up to 2.5 s (p99)',
        '         ▅▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▆▇▇▇▇▇▇▇▇█████████  the last hour, at most 590 a minute',
        'peers    3 alive, 1 suspect, 1 stopped',
        'servers  2 ready',
        'agents   2 active, 1 stopped',
        'tasks    3 running, 1 waiting for an answer, 1,200 done',
        'spend    $0.41 in the last hour for models, $3.12 and 1,234 tokens since the start',
        '         2 budgets: $3.12 of $20.00 spent, $0.40 held, $6.88 free here',
        'node     61s of CPU time, 120.0 MiB of memory, 3 sessions, 4 boards',
        '!        1 lasting trouble: starling status',
        '',
        'PEER  STATE    HEARTBEAT  RTT     ROUTE',
        'nas   suspect  2s ago     1.5 ms  direct',
        'gpu   dead     2s ago     1.5 ms  direct',
        'bob   alive    2s ago     1.5 ms  direct',
      ].join('\n'),
    );
  });

  it('has what the node took of a core between two looks', () => {
    const before = { ...FIGURES, at: AT - 2000, cpuMs: 60_700 };
    expect(topText({ ...READING, before }, 80)).toContain('15 % of a core');
  });

  it('shows as many peers as there is room for, and asks for none of a thousand', () => {
    expect(texts(80, 18).slice(-4)).toEqual([
      'PEER  STATE    HEARTBEAT  RTT     ROUTE',
      'nas   suspect  2s ago     1.5 ms  direct',
      'and 2 more: starling peers',
      'q or Ctrl-C ends this',
    ]);
    const { peers: _, ...rest } = READING;
    const many = { ...rest, figures: { ...FIGURES, peers: { alive: 1000 } } };
    expect(texts(80, 40, many).at(-2)).toBe(
      '1000 peers are too many for this page: starling peers',
    );
  });

  it('names the peers in one line where there is no room for their table, and says that not all fits', () => {
    const end = 'q ends this; all of it: starling top --once';
    expect(texts(80, 17).slice(-2)).toEqual(['each     nas suspect, gpu dead, bob alive', end]);
    // What is there for the eye goes first: the empty line, and then the bars.
    expect(texts(80, 14)).not.toContain('');
    expect(texts(80, 14).join()).toContain('▅');
    expect(texts(80, 13).join()).not.toContain('▅');
    for (let rows = 1; rows <= 30; rows += 1) {
      const shown = texts(80, rows);
      expect(shown.length, `${rows} rows`).toBeLessThanOrEqual(Math.max(2, rows));
      expect(shown[0]).toBe('alice in lab, up 3h');
      const hasTable = shown.some((text) => text.startsWith('PEER '));
      expect(hasTable || shown.at(-1) === end, `${rows} rows`).toBe(true);
    }
    // A node that is alone has nothing to leave out but its figures.
    const alone = { ...READING, peers: [], figures: { ...FIGURES, peers: {} } };
    expect(texts(80, 14, alone).at(-1)).toBe('q or Ctrl-C ends this');
    expect(texts(80, 13, alone).at(-1)).toBe(end);
  });

  it('is in the papers as it is', () => {
    const paper = readFileSync(resolve(import.meta.dirname, '../../../docs/operations.md'), 'utf8');
    expect(paper).toContain(
      `\`\`\`text\n${stripVTControlCharacters(topText(READING, 80))}\n\`\`\``,
    );
  });

  it('shows nothing of what a peer would have a terminal do', () => {
    const [nasty] = [peer('\u001B]0;x\u0007evil\nline', 'alive')];
    const shown = texts(80, 40, { ...READING, peers: [nasty] as never });
    expect(shown.join('|')).not.toMatch(/[\u0000-\u001F]/);
  });
});

it('prints one reading where nobody watches, and is on no record by it', async () => {
  const node = await fakeNode({ answer: answers });
  const plain = await run('top', '--state', node.stateDir);
  expect(plain.stderr).toBe('');
  expect(plain.stdout).toContain('calls    42.1 a second');
  const json = await run('top', '--json', '--state', node.stateDir);
  const about = { name: 'alice', mesh: 'lab', startedAt: STATUS.startedAt };
  expect(JSON.parse(json.stdout)).toEqual({ ...about, ...FIGURES, each: PEERS });
});

it('asks a node with a thousand peers for none of them', async () => {
  const figures = { ...FIGURES, peers: { alive: 1000 } };
  const node = await fakeNode({
    answer: serving({ ...(ANSWERS as object), node_figures: figures } as never),
  });
  await run('top', '--once', '--state', node.stateDir);
  expect(node.heard.map(({ params }) => params?.['name'])).not.toContain('starling__peers');
});

describe.runIf(await hasTerminals())('on a terminal', () => {
  const ENTER = '\u001B[?1049h';
  const LEAVE = '\u001B[?25h\u001B[?1049l';

  it.each([
    ['q', 'q', 0],
    ['Ctrl-C', CTRL_C, 130],
  ])('goes on until %s, with whatever width the terminal has', async (_, key, code) => {
    const node = await fakeNode({ answer: answers });
    const top = startOnTerminal(['top', '--state', node.stateDir]);
    await top.shows('42.1 a second, 2 under way (3 failed of the last ten seconds)');
    expect(top.raw()).toContain(ENTER);
    top.narrow();
    await top.shows(/42\.1 a second, 2 under way \(3 …/);
    expect(top.raw()).not.toContain(LEAVE);
    top.type(key);
    expect((await top.ended()).code).toBe(code);
    expect(top.raw().endsWith(LEAVE)).toBe(true);
  });

  it('says so while the node does not answer, and goes on when the node is there again', async () => {
    let said = answers;
    const node = await fakeNode({ answer: (...asked) => said(...asked) });
    const top = startOnTerminal(['top', '--state', node.stateDir]);
    await top.shows('alice in lab, up');
    said = (_, { socket }) => void socket.destroy();
    await top.shows(
      /! alice does not answer since \d\d:\d\d:\d\d: the node has closed the connection/,
    );
    said = serving({ ...(ANSWERS as object), status: { ...STATUS, name: 'alice-again' } });
    await top.shows('alice-again in lab, up');
    top.type('q');
    expect((await top.ended()).code).toBe(0);
    expect(top.raw().endsWith(LEAVE)).toBe(true);
  });

  it('says on the screen that stays that no node runs', async () => {
    const top = startOnTerminal(['top', '--state', '/nonexistent/state']);
    const { code, screen } = await top.ended();
    expect(code).not.toBe(0);
    expect(screen).toContain('no node runs with the state folder /nonexistent/state');
    expect(top.raw()).not.toContain(ENTER);
  });
});
