/**
 * What `starling up` says to a person while its node runs: who it is, what its servers and peers do, what was
 * taken up. Nothing more once its goodbye is said.
 */
import type { Config } from '../../../config/types.ts';
import { messageOf } from '../../../core/errors.ts';
import { systemClock } from '../../../core/time/clock.ts';
import type { PolicyChange } from '../../../guard/index.ts';
import type { StarlingNode } from '../../../node-types.ts';
import type { ConfigChanges } from '../../../node-wiring.ts';
import {
  describeStart,
  describeWarning,
  describeWarnings,
  noServers,
  otherConfig,
} from './node-status.ts';
import type { LastConfig } from './node-status.ts';
import { clearEcho, paintTalk, print, safeLine } from '../output.ts';
import { policyWords } from '../policy-words.ts';
import { tellOfPeers } from './peer-lines.ts';
import type { Say } from './peer-lines.ts';
import { createWorkProgress } from '../progress.ts';
import type { Progress } from '../progress.ts';
import { showComing } from './coming-lines.ts';
import { tellOfServers } from './server-lines.ts';

/** A stop that takes longer says what it waits for. */
const SLOW_STOP_MS = 400;
/** Changes of a policy that are told one by one. */
const CHANGES_SHOWN = 10;

/** Speaks for a node. */
export interface UpLines {
  /** Prints a line that stays, unless the goodbye is said. */
  readonly say: Say;
  /**
   * The node is being stopped: nothing but this is told from now on. Ends with the goodbye. `isByHand`: by somebody
   * who has pressed Ctrl-C, and may do so again.
   */
  goodbye(stopped: Promise<unknown>, isByHand: boolean): Promise<void>;
}

/** Tells what happens to `node`, from before its start on; `invitation` is what follows its identity. */
export function tellOfNode(
  node: StarlingNode,
  { config, last }: { readonly config: Config; readonly last: LastConfig | undefined },
  progress: Progress,
  invitation: () => Promise<string>,
): UpLines {
  let isOver = false;
  const coming = createWorkProgress();
  let stopComing = (): void => undefined;
  const say: Say = (text) => {
    if (!isOver) coming.above(() => progress.say(text));
  };
  const show: Say = (text) => {
    if (!isOver) coming.above(() => print(text));
  };
  // Who is here is told below who this is.
  let untold: string[] | undefined = [];
  const sayBelow: Say = (text) => {
    if (untold === undefined) say(text);
    else untold.push(text);
  };
  tellOfPeers(node, { say: sayBelow, sayNow: say });
  node.events.on('serving', () => {
    progress.done();
    if (coming.isShown) stopComing = showComing(() => node.coming(), coming, systemClock);
    show(describeStart(node.status()));
    const told = invitation().then((text) => {
      if (text !== '') show(`\n${text}\n`);
      for (const line of describeWarnings(node.status())) show(line);
      if (Object.keys(config.mcpServers).length === 0) show(noServers(last));
      else if (last !== undefined) show(otherConfig(last));
      tellOfServers(node, config.mcpServers, { show, say });
      tellOfTroubles(node, say);
      for (const line of untold ?? []) say(line);
      untold = undefined;
    });
    told.catch((error: unknown) =>
      show(`not all is shown here: ${messageOf(error)}; see: starling status`),
    );
  });
  node.events.on('policy', (changes) => sayBelow(policyText(changes)));
  return {
    say: sayBelow,
    async goodbye(stopped, isByHand) {
      isOver = true;
      stopComing();
      const { name } = node.status();
      progress.done();
      clearEcho();
      const cancel = systemClock.schedule(SLOW_STOP_MS, () =>
        progress.say(waitingText(node, isByHand)),
      );
      await stopped.finally(cancel);
      // Not `config.name`, which knows nothing of the name that the state folder keeps.
      progress.say(`${safeLine(name)} has stopped`);
    },
  };
}

/** Troubles that are told in lines of their own: of servers, who asks to join, the end of the membership, the config file. */
const TOLD_ELSEWHERE = /^(?:upstream-down:|knock:|membership-ended$|config-unusable$)/;

function tellOfTroubles(node: StarlingNode, say: Say): void {
  node.events.on('trouble', (warning) => {
    if (!TOLD_ELSEWHERE.test(warning.code)) say(describeWarning(warning, paintTalk).join('\n'));
  });
}

function waitingText(node: StarlingNode, isByHand: boolean): string {
  const servers = node
    .status()
    .upstreams.filter(({ kind, state }) => kind !== 'builtin' && state !== 'stopped')
    .map(({ server }) => server);
  const what = servers.length === 0 ? 'the connections to peers' : servers.join(', ');
  const hasPerson = process.stderr.isTTY ? '; Ctrl-C ends at once' : '';
  const again = isByHand ? '; Ctrl-C again ends at once' : hasPerson;
  return safeLine(`stopping: waits for ${what} to end${again}`);
}

/** What a changed config file has done, in words: `files was added, git was restarted`. */
export function reloadText({ added, removed, restarted, keys }: ConfigChanges): string {
  const parts = [
    ...added.map((name) => `${name} was added`),
    ...removed.map((name) => `${name} was removed`),
    ...restarted.map((name) => `${name} was restarted`),
    ...keys.map((key) => `${key} is as written now`),
  ];
  return parts.join(', ');
}

function policyText(all: readonly PolicyChange[]): string {
  const changes = all.filter(({ from, to }) => !isEmpty(from) || !isEmpty(to));
  const lines = changes.slice(0, CHANGES_SHOWN).map((change) => `  ${policyWords(change)}`);
  const rest = changes.length - lines.length;
  const more = rest > 0 ? [`  and ${rest} more: starling policy check`] : [];
  const head = `${paintTalk.green('✓')} the policy file was taken up:`;
  return [head, ...lines.map(safeLine), ...more].join('\n');
}

/** A key that is not there says as much as one that holds nothing. */
function isEmpty(value: string | undefined): boolean {
  return value === undefined || value === '{}' || value === '[]';
}
