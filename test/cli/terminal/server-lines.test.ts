/** What `starling up` says of the servers of its node. */
import { EventEmitter } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { slowText, tellOfServers } from '../../../src/cli/terminal/lines/server-lines.ts';
import type { UpstreamStatus } from '../../../src/gateway/index.ts';
import type { NodeEvents } from '../../../src/index.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const server = (name: string, more: Partial<UpstreamStatus>): UpstreamStatus => ({
  server: name,
  kind: 'stdio',
  state: 'starting',
  tools: 0,
  resources: 0,
  prompts: 0,
  instances: 0,
  ...more,
});

const stdio = (command: string): never => ({ type: 'stdio', command }) as never;

it('is a line for each as it comes, and one for what takes long', () => {
  const events = new EventEmitter<NodeEvents>();
  const lines: string[] = [];
  const show = (text: string): void => void lines.push(stripVTControlCharacters(text));
  const upstreams = [
    server('files', {}),
    server('git', {}),
    server('starling', { kind: 'builtin' }),
  ];
  const servers = { files: stdio('/usr/bin/npx'), git: stdio('uvx') };
  tellOfServers({ events, status: () => ({ upstreams }) as never }, servers, { show, say: show });
  const ready = server('git', { state: 'ready', tools: 12 });
  events.emit('server', ready);
  events.emit('server', ready);
  vi.advanceTimersByTime(5000);
  events.emit('server', server('files', { state: 'failed', error: 'it is gone', hint: 'find it' }));
  events.emit('server', server('files', { state: 'failed', error: 'it is gone', hint: 'find it' }));
  events.emit('server', server('files', { state: 'ready', tools: 1 }));
  vi.advanceTimersByTime(60_000);
  expect(lines).toEqual([
    '✓ git  12 tools',
    '… files: npx may be downloading its package',
    '✗ files  failed: it is gone\n    → find it',
    '✓ files  1 tool',
  ]);
});

it.each([
  [stdio('docker'), 's: docker may be downloading its image'],
  [stdio('/opt/thing'), 's: its program thing has not answered yet'],
  [
    { type: 'http', url: 'https://tools.example:8443/mcp?key=1' } as never,
    's: no answer from tools.example:8443 yet',
  ],
  [undefined, 's: it has not answered yet'],
])('%j', (config, text) => {
  expect(slowText('s', config)).toBe(text);
});
