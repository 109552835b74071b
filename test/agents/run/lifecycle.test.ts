/** The life of a process of an agent, state by state. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bestOf, nextState, takesMessages } from '../../../src/agents/run/lifecycle.ts';
import type { RunEvent } from '../../../src/agents/run/lifecycle.ts';
import type { RunState } from '../../../src/agents/index.ts';

const EVENTS: readonly RunEvent[] = [
  'started',
  'initialised',
  'busy',
  'idle',
  'learn',
  'crashed',
  'restart',
  'stop',
  'ended',
];
const after = (...events: readonly RunEvent[]): RunState =>
  events.reduce<RunState>(nextState, 'spawning');

it('a process is spawned, initialised, ready, at work and ready again, learns, and stops', () => {
  expect(after()).toBe('spawning');
  expect(after('started')).toBe('init');
  expect(after('started', 'initialised')).toBe('ready');
  expect(after('started', 'initialised', 'busy')).toBe('running');
  expect(after('started', 'initialised', 'busy', 'idle')).toBe('ready');
  expect(after('started', 'initialised', 'busy', 'learn')).toBe('learning');
  expect(after('started', 'initialised', 'busy', 'learn', 'idle')).toBe('ready');
  expect(after('started', 'initialised', 'stop')).toBe('stopping');
  expect(after('started', 'initialised', 'stop', 'ended')).toBe('stopped');
});

it('one that crashes has failed, and begins anew or is stopped; one that crashes while it is stopped has stopped', () => {
  for (const before of [[], ['started'], ['started', 'initialised', 'busy']] as RunEvent[][]) {
    expect(after(...before, 'crashed')).toBe('failed');
    expect(after(...before, 'crashed', 'restart')).toBe('spawning');
    expect(after(...before, 'crashed', 'stop', 'ended')).toBe('stopped');
  }
  expect(after('started', 'initialised', 'stop', 'crashed')).toBe('stopped');
});

it('whatever happens, what has stopped stays so, and only what is ready is given messages', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...EVENTS), { maxLength: 30 }), (events) => {
      let state: RunState = 'spawning';
      let initialised = false;
      for (const event of events) {
        const next = nextState(state, event);
        if (state === 'stopped') expect(next).toBe('stopped');
        if (state === 'init' && next === 'ready') initialised = true;
        if (next === 'spawning' && state !== 'spawning') initialised = false;
        state = next;
        if (takesMessages(state)) expect(initialised).toBe(true);
      }
    }),
    { seed: 14 },
  );
});

it('an agent with several processes is as far as the one that is furthest', () => {
  expect(bestOf(['failed', 'ready', 'spawning'])).toBe('ready');
  expect(bestOf(['failed', 'failed'])).toBe('failed');
  expect(bestOf([])).toBe('stopped');
});
