/**
 * The rules by which the built-in agent tells why a server does not run. What the server itself has written is data: a
 * line can make one cause of this list more likely than another one, and nothing else follows from it.
 */
import { withoutLastWords } from '../core/index.ts';
import type { Cause, Finding, ServerState, Step } from './types.ts';

/** Lines of a log that rules look at: the newest. */
const LINES = 40;
/** Characters of a line that stand in a finding, and how many lines. */
const QUOTED = 200;
const EVIDENCE = 3;
/** How long a port may be held by a process that is ending. */
const PORT_WAIT_MS = 3000;

interface Rule {
  readonly cause: Cause;
  readonly why: string;
  /** Of the node's own words on how the server ended. */
  readonly ended?: RegExp;
  /** Of lines that the server wrote before that. */
  readonly wrote?: RegExp;
  readonly plan: readonly Step[];
}

const RESTART: readonly Step[] = [{ do: 'restart' }];
const NOBODY: readonly Step[] = [];

/** The first that fits counts: what a restart can't mend comes before what it can. */
const RULES: readonly Rule[] = [
  {
    cause: 'program',
    why: 'its program is not there',
    ended: /^server '[^']*' can't (?:start|be started)|^server '[^']*': .* not found/u,
    plan: NOBODY,
  },
  {
    cause: 'settings',
    why: 'its entry in the config file, or a secret of it, is wrong',
    ended: /^server '[^']*' (?:can't be used|can't start: secret)/u,
    plan: NOBODY,
  },
  {
    cause: 'login',
    why: 'it wants a login, which a person does',
    ended: /^server '[^']*' (?:asks for a login|wants a login|needs a login)/u,
    plan: NOBODY,
  },
  {
    cause: 'disk',
    why: 'the disk is full: starting it again would fill that further',
    wrote: /\bENOSPC\b|no space left on device/iu,
    plan: NOBODY,
  },
  {
    cause: 'port',
    why: 'its port is in use, maybe still by the process before',
    wrote: /\bEADDRINUSE\b|address already in use/iu,
    plan: [{ do: 'wait', ms: PORT_WAIT_MS }, { do: 'restart' }],
  },
  {
    cause: 'memory',
    why: 'it ran out of memory',
    wrote: /heap out of memory|out of memory|\bOOM\b|Cannot allocate memory/iu,
    plan: RESTART,
  },
  {
    cause: 'killed',
    why: 'its process was killed',
    ended: /^server '[^']*' was ended by SIG[A-Z0-9]+/u,
    plan: RESTART,
  },
  {
    cause: 'exited',
    why: 'its process ended by itself',
    ended: /^server '[^']*' exited with code \d+/u,
    plan: RESTART,
  },
  {
    cause: 'unanswered',
    why: 'it started and did not answer',
    ended: /though it has started/u,
    plan: RESTART,
  },
];

/** Finds out why a server is down, from what its node says of it and the last lines of its log. */
export function diagnose({ error }: ServerState, log: readonly string[]): Finding {
  // Whatever the node quotes of the server stands behind this, and is no word of the node.
  const ended = withoutLastWords(error);
  const lines = log.slice(-LINES);
  for (const { cause, ended: told, plan, why, wrote } of RULES) {
    const found = wrote === undefined ? [] : lines.filter((line) => wrote.test(line));
    if (told?.test(ended) !== true && found.length === 0) continue;
    return { cause, why, plan, evidence: quoted(found.length > 0 ? found : lines) };
  }
  return {
    cause: 'unknown',
    why: 'no rule knows why it ended',
    plan: RESTART,
    evidence: quoted(lines),
  };
}

function quoted(lines: readonly string[]): readonly string[] {
  return lines.slice(-EVIDENCE).map((line) => line.slice(0, QUOTED));
}
