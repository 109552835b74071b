/** `starling identity rotate` */
import { systemClock } from '../../../core/index.ts';
import { facts, paint, printData, safeLine } from '../../terminal/output.ts';
import { passphraseOf } from '../../terminal/questions/passphrase.ts';
import { createTalkingLogger } from '../../terminal/terminal-logger.ts';
import { stateDirOf } from '../../node/locate-node.ts';
import type { CommonOptions } from '../../options/common-options.ts';
import { rotateIdentity } from '../../../rotation/index.ts';
import type { Rotation } from '../../../rotation/index.ts';
import { SEALED_TABLES } from '../../../secrets/index.ts';

/** Gives the node a new key, and says what is left to do. */
export async function run(options: CommonOptions): Promise<void> {
  const passphrase = passphraseOf(process.env);
  const logger = createTalkingLogger({ spec: 'warn', isWanted: false });
  const rotation = await rotateIdentity(
    { clock: systemClock, logger, sealed: SEALED_TABLES },
    { stateDir: await stateDirOf(options), passphrase },
  );
  const left = leftToDo(rotation);
  printData({ ...rotation, left }, options.json === true, () => show(rotation, left));
}

function show(rotation: Rotation, left: readonly string[]): string {
  const { before, now, grants, memberships, peers } = rotation;
  const given = [counted(grants, 'grant'), counted(memberships, 'membership')].join(' and ');
  return [
    paint.green('this node has a new key'),
    facts([
      ['before', before.did],
      ['', before.peerId],
      ['now', now.did],
      ['', now.peerId],
      ['issued anew', `${given} that this node gave`],
      [
        'told',
        peers.length === 0
          ? 'there is nobody to tell'
          : `nobody yet: ${peers.map(safeLine).join(', ')} will hear of it when the node is up`,
      ],
    ]),
    'what is left to do:',
    ...left.map((line) => `  → ${line}`),
  ].join('\n');
}

function leftToDo({ before, peers, tickets }: Rotation): readonly string[] {
  return [
    'start the node again: starling up',
    ...(peers.length === 0 ? [] : ['see later who has still to hear of it: starling status']),
    ...(tickets === 0
      ? []
      : [
          `${counted(tickets, 'ticket')} of this node that nobody has used yet may no longer lead here: make new ones with starling invite`,
        ]),
    `where an address of this node is written down with /p2p/${before.peerId} (bootstrap, join), put in the new one: starling status`,
  ];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
