/** The log on a terminal, and beside one. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createTalkingLogger } from '../../../src/cli/terminal/terminal-logger.ts';

let said = '';
const before = process.stderr.isTTY;

beforeEach(() => {
  said = '';
  process.stderr.isTTY = true;
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});
afterEach(() => {
  process.stderr.isTTY = before;
  vi.restoreAllMocks();
});

it('tells each fault of the node once, without what only programmers read', () => {
  const logger = createTalkingLogger({ spec: 'warn', isWanted: false }).child('blackboard');
  logger.warn({ peer: '12D3KooWx' }, 'updates of a full board are dropped');
  for (let times = 0; times < 3; times += 1) {
    logger.error({ error: new Error('E_PROTO [object Object]') }, 'repair of a board failed');
  }
  expect(said).toBe('! repair of a board failed (--verbose shows more)\n');
});

it('tells the levels that somebody asks for in lines, by room', () => {
  const logger = createTalkingLogger({ spec: 'info,gateway=debug', isWanted: true });
  logger.info({ peer: 'p' }, 'node started');
  logger.debug({}, 'not told');
  logger
    .child('gateway')
    .child('session')
    .debug({ n: 1, error: new Error('why') }, 'ended');
  expect(said.replaceAll(/\d\d:\d\d:\d\d/g, 'T')).toBe(
    'T info starling: node started peer=p\nT debug gateway:session: ended n=1 error=why\n',
  );
});

it('lets no text of a peer take over the terminal', () => {
  const logger = createTalkingLogger({ spec: 'info', isWanted: true });
  logger.warn({ name: 'nice\u001B[2J\nforged' }, 'heard');
  expect(said.trim().split('\n')).toHaveLength(1);
  expect(said).not.toContain('\u001B');
});
