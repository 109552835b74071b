/** The commands `starling identity …`. Imports nothing heavy: each is loaded when it is run. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `identity` and its commands. */
export function addIdentity(program: Command, outcome: Outcome): void {
  const identity = program
    .command('identity')
    .summary("see, protect and change the node's key")
    .description(
      'Shows who the node is, protects its key with a passphrase, and gives it a new key. A passphrase is asked for on a terminal, or comes from STARLING_PASSPHRASE_FILE or STARLING_PASSPHRASE; it is never an argument.',
    )
    .addHelpText('after', examples('starling identity show', 'starling identity rotate'));
  withJson(ofNode(identity.command('show')))
    .summary('show who the node is')
    .description('Shows did:key and PeerId of the node, and whether its key is encrypted.')
    .addHelpText('after', examples('starling identity show'))
    .action(action(outcome, () => import('../../commands/identity/show.ts')));
  withJson(
    ofNode(
      identity
        .command('encrypt')
        .summary('protect the key with a passphrase')
        .description(
          'Encrypts the key with a passphrase, or changes the passphrase. The node must not run meanwhile. Without the passphrase nobody can open the key again.',
        )
        .option(
          '--new-passphrase-file <file>',
          'file with the new passphrase, where nobody can be asked',
        ),
    ),
  )
    .addHelpText(
      'after',
      examples(
        'starling identity encrypt',
        'STARLING_PASSPHRASE_FILE=old.txt starling identity encrypt --new-passphrase-file new.txt',
      ),
    )
    .action(action(outcome, () => import('../../commands/identity/encrypt.ts')));
  withJson(ofNode(identity.command('decrypt')))
    .summary('take the passphrase off the key')
    .description('Keeps the key without a passphrase again. The node must not run meanwhile.')
    .addHelpText('after', examples('starling identity decrypt'))
    .action(action(outcome, () => import('../../commands/identity/decrypt.ts')));
  withJson(ofNode(identity.command('rotate')))
    .summary('give the node a new key')
    .description(
      'Gives the node a new key, which the old one signs, while the node is stopped. Peers follow when it is started again: its name, its membership and all grants go on, and the old key is good for nothing any more.',
    )
    .addHelpText('after', examples('starling identity rotate', 'starling identity rotate --json'))
    .action(action(outcome, () => import('../../commands/identity/rotate.ts')));
}
