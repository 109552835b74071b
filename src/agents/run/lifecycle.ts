/**
 * The life of a process of an agent that the node runs, as a pure state machine (drawn in docs/agents.md):
 *
 *     spawning → init → ready ⇄ running
 *                         ⇅        ⇅
 *                       learning ──┘
 *     any of these → stopping → stopped
 *     any of these → failed → spawning (a restart), or stopping
 *
 * What is not in the table does not happen, and changes nothing.
 */
import type { RunState } from '../types.ts';

/** What happens to it. */
export type RunEvent =
  /** Its process is there. */
  | 'started'
  /** It has said that it takes messages. */
  | 'initialised'
  /** It has a message to deal with. */
  | 'busy'
  /** It has dealt with all. */
  | 'idle'
  /** It takes in what came of its work. */
  | 'learn'
  /** Its process ended, or did not begin. */
  | 'crashed'
  | 'restart'
  | 'stop'
  /** Its process is gone, as was wanted. */
  | 'ended';

const ALIVE = { crashed: 'failed', stop: 'stopping' } as const;

const TABLE: Readonly<Record<RunState, Partial<Readonly<Record<RunEvent, RunState>>>>> = {
  spawning: { started: 'init', ...ALIVE },
  init: { initialised: 'ready', ...ALIVE },
  ready: { busy: 'running', learn: 'learning', ...ALIVE },
  running: { idle: 'ready', learn: 'learning', ...ALIVE },
  learning: { idle: 'ready', busy: 'running', ...ALIVE },
  failed: { restart: 'spawning', stop: 'stopping' },
  stopping: { ended: 'stopped', crashed: 'stopped' },
  stopped: {},
};

/** The state after `event`; the same one where the event means nothing in it. */
export function nextState(state: RunState, event: RunEvent): RunState {
  return TABLE[state][event] ?? state;
}

/** Whether a process in this state is given messages. */
export function takesMessages(state: RunState): boolean {
  return state === 'ready' || state === 'running' || state === 'learning';
}

/** The most alive of several states: that of an agent with several processes. */
export function bestOf(states: readonly RunState[]): RunState {
  return ORDER.find((state) => states.includes(state)) ?? 'stopped';
}

const ORDER: readonly RunState[] = [
  'running',
  'learning',
  'ready',
  'init',
  'spawning',
  'stopping',
  'failed',
  'stopped',
];
